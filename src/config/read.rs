//! Files to texts: `config.toml`, then `conf.d/*.toml` beside it in name order, all bounded.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::OFlags;

use super::environment::Environment;
use super::permissions::{self, NewFile, Untrusted};
use super::report::{Complaints, Place, Problem, Source};

/// The largest file that is read.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// The most that all files together may hold.
const MAX_TOTAL: u64 = 16 * 1024 * 1024;

/// The most files that `conf.d` may hold.
const MAX_FILES: usize = 4_096;

/// Reads the files of the configuration at `path`.
pub(super) fn files(
    path: &Path,
    environment: &Environment,
    complaints: &mut Complaints,
) -> Vec<Source> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut paths = vec![path.to_owned()];
    trust_way(&folder, NewFile::Ignored, environment, complaints);
    paths.extend(beside(&folder.join("conf.d"), environment, complaints));
    let mut left = MAX_TOTAL;
    let mut sources = Vec::new();
    for path in paths {
        let source = file(&path, left, sources.len(), environment, complaints);
        left = left.saturating_sub(source.text.len() as u64);
        sources.push(source);
    }
    sources
}

/// Reads the file of a calendar; it counts as one of the configuration's own. The error is a
/// sentence. Texts in another encoding than UTF-8 pass: what is read of them is ASCII.
pub(super) fn calendar(
    path: &Path,
    environment: &Environment,
    sources: &[Source],
    complaints: &mut Complaints,
) -> Result<Source, String> {
    let read: u64 = sources.iter().map(|source| source.text.len() as u64).sum();
    let left = MAX_TOTAL.saturating_sub(read);
    let bytes = bytes(path, left, environment, complaints)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(Source {
        path: Arc::from(path),
        text: Arc::from(text.strip_prefix('\u{feff}').unwrap_or(&text)),
    })
}

fn trust_way(
    path: &Path,
    last_folder: NewFile,
    environment: &Environment,
    complaints: &mut Complaints,
) {
    let checked = permissions::check_way(path, last_folder, environment.euid);
    complain(checked, complaints);
}

fn complain(checked: Result<(), Untrusted>, complaints: &mut Complaints) {
    if let Err(error) = checked {
        complaints.error(Problem::of(error.path(), error.to_string()).help(error.help()));
    }
}

/// The `*.toml` files of `conf.d`, in name order; hidden ones are left alone, as editors and
/// package managers expect.
fn beside(folder: &Path, environment: &Environment, complaints: &mut Complaints) -> Vec<PathBuf> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            complaints.error(Problem::of(
                folder,
                format!("cannot read this folder: {error}"),
            ));
            return Vec::new();
        }
    };
    trust_way(folder, NewFile::Read, environment, complaints);
    let mut paths = Vec::new();
    for entry in entries {
        match entry {
            Ok(entry) => paths.push(entry.path()),
            Err(error) => {
                complaints.error(Problem::of(
                    folder,
                    format!("cannot read this folder: {error}"),
                ));
                break;
            }
        }
        if paths.len() > MAX_FILES {
            complaints.error(
                Problem::of(
                    folder,
                    format!("there are more than {MAX_FILES} files in this folder"),
                )
                .help("put several jobs into one file"),
            );
            return Vec::new();
        }
    }
    paths.retain(|path| {
        let hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes()[0] == b'.');
        !hidden
            && path
                .extension()
                .is_some_and(|extension| extension == "toml")
    });
    paths.sort();
    paths
}

/// Reads file number `number`; what cannot be read is complained about and counts as empty.
fn file(
    path: &Path,
    left: u64,
    number: usize,
    environment: &Environment,
    complaints: &mut Complaints,
) -> Source {
    let text = match bytes(path, left, environment, complaints) {
        Ok(bytes) => decode(number, bytes, complaints),
        Err(sentence) => {
            complaints.error(Problem::of(path, sentence));
            String::new()
        }
    };
    Source {
        path: Arc::from(path),
        text: text.into(),
    }
}

/// What a file holds. Whose it is, is told of what was opened, as its path may lead elsewhere by then.
fn bytes(
    path: &Path,
    left: u64,
    environment: &Environment,
    complaints: &mut Complaints,
) -> Result<Vec<u8>, String> {
    let cannot = |error: std::io::Error| format!("cannot read this file: {error}");
    trust_way(path, NewFile::Ignored, environment, complaints);
    // Opening a pipe would wait for somebody to write into it.
    let no_wait = OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(no_wait).open(path);
    let file = file.map_err(cannot)?;
    let metadata = file.metadata().map_err(cannot)?;
    if !metadata.is_file() {
        return Err("this is not a file".to_owned());
    }
    let checked = permissions::check_opened(path, &metadata, environment.euid);
    complain(checked, complaints);
    let mut bytes = Vec::new();
    let bound = MAX_FILE.min(left);
    file.take(bound + 1)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    match bytes.len() as u64 {
        length if length <= bound => Ok(bytes),
        _ if bound == MAX_FILE => {
            Err("this file is larger than 4 MiB, the most that is read".into())
        }
        _ => Err(
            "with this file the configuration is larger than 16 MiB, the most that is read".into(),
        ),
    }
}

/// UTF-8 with or without the mark that some editors put at its beginning. Other bytes are complained
/// about where they stand, and replaced, so that the rest of the file is looked at too.
fn decode(number: usize, bytes: Vec<u8>, complaints: &mut Complaints) -> String {
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let replaced = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let mark = at..at + char::REPLACEMENT_CHARACTER.len_utf8();
            complaints.error(
                Problem::at(Place::new(number, mark), "this is not UTF-8 text")
                    .help("save the file as UTF-8"),
            );
            replaced
        }
    };
    match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    }
}
