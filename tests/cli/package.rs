//! The Debian package, as far as it is known without making it.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use crate::docs::{documents, links};
use crate::documents::root;

/// Where the manual is installed.
const MANUAL: &str = "usr/share/doc/punctual/";

/// The files of the manual as the package has them, from its folder.
fn installed() -> BTreeSet<PathBuf> {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = toml::from_str(&manifest).unwrap();
    let assets = manifest["package"]["metadata"]["deb"]["assets"].as_array();
    let mut files = BTreeSet::new();
    for asset in assets.unwrap() {
        let (from, to) = (asset[0].as_str().unwrap(), asset[1].as_str().unwrap());
        let Some(place) = to.strip_prefix(MANUAL) else {
            continue;
        };
        // A pattern has its star in the last part.
        let from = Path::new(from);
        let pattern = from.file_name().unwrap().to_str().unwrap();
        let Some((begin, end)) = pattern.split_once('*') else {
            files.insert(Path::new(place).join(pattern));
            continue;
        };
        let end = end.replace('*', "");
        for entry in std::fs::read_dir(root().join(from.parent().unwrap())).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let is_file = entry.file_type().unwrap().is_file();
            if is_file && name.starts_with(begin) && (name.ends_with(&end) || end == ".") {
                files.insert(Path::new(place).join(name));
            }
        }
    }
    files
}

/// A path without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => assert!(plain.pop(), "{}", path.display()),
            part => plain.push(part),
        }
    }
    plain
}

#[test]
fn links_of_the_installed_manual_lead_somewhere() {
    let installed = installed();
    let mut followed = 0;
    for (path, text) in documents() {
        assert!(
            installed.contains(Path::new(&path)),
            "{path} is not installed"
        );
        let folder = Path::new(&path).parent().unwrap();
        for target in links(&text) {
            let file = target.split('#').next().unwrap();
            if file.is_empty() || file.starts_with("https://") {
                continue;
            }
            let place = plain(&folder.join(file));
            let there = installed.iter().any(|file| file.starts_with(&place));
            assert!(there, "{path}: {target} is not installed");
            followed += 1;
        }
    }
    assert!(followed > 50, "{followed}");
}

/// What the package's script takes for the configuration of a process that was started so.
fn configuration_of(arguments: &[&str], variable: Option<&str>) -> String {
    let script = std::fs::read_to_string(root().join("package/deb/postinst")).unwrap();
    let from = script.find("configuration_of() {").unwrap();
    let function = &script[from..];
    let function = &function[..function.find("\n}\n").unwrap() + 3];
    // It waits for its standard input to end.
    let mut daemon = Command::new("/bin/sh")
        .args(["-c", "read line; exit 0", "punctual", "serve"])
        .args(arguments)
        .env_clear()
        .envs(variable.map(|value| ("PUNCTUAL_CONFIG", value)))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let asked = Command::new("/bin/sh")
        .arg("-ec")
        .arg(format!("{function}\nconfiguration_of {}", daemon.id()))
        .output()
        .unwrap();
    drop(daemon.stdin.take());
    daemon.wait().unwrap();
    assert!(asked.status.success(), "{asked:?}");
    String::from_utf8(asked.stdout).unwrap().trim().to_owned()
}

#[test]
fn an_upgrade_looks_at_the_configuration_that_the_daemon_has() {
    assert_eq!(
        configuration_of(&["--config", "/a b.toml"], None),
        "/a b.toml"
    );
    assert_eq!(configuration_of(&["--config=/c.toml"], None), "/c.toml");
    assert_eq!(configuration_of(&[], Some("/d.toml")), "/d.toml");
    assert_eq!(
        configuration_of(&["--config=/c.toml"], Some("/d.toml")),
        "/c.toml"
    );
    assert_eq!(configuration_of(&[], None), "");
}
