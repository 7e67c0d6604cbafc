//! From a job's process to what an exec takes, and from an exec's error to a sentence.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::cannot_start::CannotStart;
use super::environment::Environment;
use super::spawn::Image;
use crate::job::{CommandLine, Process};

/// What to execute. Looks the program up, in the PATH that the process will have.
pub(super) fn image(process: &Process, env: &Environment) -> Result<Image, CannotStart> {
    let words: Vec<&str> = match &process.command {
        CommandLine::Command(argv) => argv.iter().map(String::as_str).collect(),
        CommandLine::Shell(line) => vec!["/bin/sh", "-c", line],
    };
    let name = words.first().copied().unwrap_or_default();
    let argv = words
        .iter()
        .map(|arg| c_string(arg.as_bytes(), "an argument of the command"))
        .collect::<Result<_, _>>()?;
    let variables = env.variables.iter().map(|(name, value)| {
        let line = [name.as_bytes(), b"=", value.as_bytes()].concat();
        c_string(&line, "a variable")
    });
    let dir = process.working_dir.as_deref();
    let program = find(name, env.path(), dir)?;
    Ok(Image {
        program: c_string(program.as_os_str().as_bytes(), "the program's path")?,
        argv,
        env: variables.collect::<Result<_, _>>()?,
        dir: dir
            .map(|dir| c_string(dir.as_os_str().as_bytes(), "working_dir"))
            .transpose()?,
    })
}

fn c_string(bytes: &[u8], what: &str) -> Result<CString, CannotStart> {
    CString::new(bytes).map_err(|_| CannotStart::Nul { what: what.into() })
}

/// A name without a slash is looked for as a shell does; any other is a path already, relative to
/// the working directory.
fn find(name: &str, path: &OsStr, dir: Option<&Path>) -> Result<PathBuf, CannotStart> {
    if name.contains('/') {
        return Ok(name.into());
    }
    let mut seen_but_not_executable = false;
    for folder in path.as_bytes().split(|&byte| byte == b':') {
        // An empty item means the working directory.
        let candidate = Path::new(OsStr::from_bytes(folder)).join(name);
        let candidate = if candidate.is_absolute() {
            candidate
        } else {
            Path::new(".").join(candidate)
        };
        let seen_from_here = dir.map_or_else(|| candidate.clone(), |dir| dir.join(&candidate));
        if !name.is_empty() && seen_from_here.is_file() {
            if rustix::fs::access(&seen_from_here, Access::EXEC_OK).is_ok() {
                return Ok(candidate);
            }
            seen_but_not_executable = true;
        }
    }
    let program = name.to_owned();
    Err(if seen_but_not_executable {
        CannotStart::NotExecutable { program }
    } else {
        let path = path.to_string_lossy().into_owned();
        CannotStart::NotInPath { program, path }
    })
}

/// What a failed start means. Looks at the files again, so that it costs nothing when all is well.
pub(super) fn explain(process: &Process, image: &Image, why: io::Error) -> CannotStart {
    let errno = rustix::io::Errno::from_io_error(&why);
    if let Some(errno) = errno {
        use rustix::io::Errno;
        match errno {
            Errno::TOOBIG => return CannotStart::TooLong,
            Errno::AGAIN | Errno::NOMEM | Errno::MFILE | Errno::NFILE => {
                return CannotStart::NoRoom { why };
            }
            _ => {}
        }
    }
    if let Some(dir) = &process.working_dir
        && let Err(why) = enterable(dir)
    {
        let dir = dir.clone();
        return CannotStart::WorkingDir { dir, why };
    }
    let path = Path::new(OsStr::from_bytes(image.program.as_bytes()));
    let program = path.to_string_lossy().into_owned();
    let here = process.working_dir.as_deref().unwrap_or(Path::new(""));
    let Ok(file) = std::fs::metadata(here.join(path)) else {
        return match why.kind() {
            io::ErrorKind::NotFound => CannotStart::NoProgram { program },
            io::ErrorKind::PermissionDenied => CannotStart::NotExecutable { program },
            _ => CannotStart::Other { program, why },
        };
    };
    if file.is_dir() {
        return CannotStart::IsFolder { program };
    }
    match why.kind() {
        io::ErrorKind::NotFound => CannotStart::NoInterpreter { program },
        io::ErrorKind::PermissionDenied if file.permissions().mode() & 0o111 != 0 => {
            CannotStart::Other { program, why }
        }
        io::ErrorKind::PermissionDenied => CannotStart::NotExecutable { program },
        _ if errno == Some(rustix::io::Errno::NOEXEC) => CannotStart::NotAProgram { program },
        _ => CannotStart::Other { program, why },
    }
}

fn enterable(dir: &Path) -> io::Result<()> {
    if !std::fs::metadata(dir)?.is_dir() {
        return Err(io::Error::from(io::ErrorKind::NotADirectory));
    }
    Ok(rustix::fs::access(dir, Access::EXEC_OK)?)
}
