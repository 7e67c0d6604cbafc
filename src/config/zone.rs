//! Names of time zones.

use jiff::tz::TimeZone;

use super::Ground;
use super::report::{Complaints, Problem};
use super::tree::Node;
use super::value;
use super::words;

/// Reads a zone: an IANA name, `UTC`, or `local`, which is resolved to the system's zone.
pub(super) fn read(
    node: &Node,
    ground: &Ground<'_>,
    complaints: &mut Complaints,
) -> Option<String> {
    let name = value::text("timezone", node, complaints)?;
    if name == "local" {
        return Some(local(ground, Some(node), complaints));
    }
    if name.eq_ignore_ascii_case("utc") {
        return Some("UTC".to_owned());
    }
    if let Some(known) = TimeZone::get(name)
        .ok()
        .as_ref()
        .and_then(TimeZone::iana_name)
    {
        return Some(known.to_owned());
    }
    let shown = if name.chars().count() <= 60 {
        format!("{name:?}")
    } else {
        "this".to_owned()
    };
    let problem = Problem::at(node.place, format!("{shown} is not a time zone"));
    let known: Vec<_> = jiff::tz::db()
        .available()
        .map(|name| name.to_string())
        .collect();
    complaints.error(
        match words::nearest(name, known.iter().map(String::as_str)) {
            Some(near) => problem.help(format!("did you mean {near:?}?")),
            None => {
                problem.help("write an IANA name such as \"Europe/Paris\", \"UTC\" or \"local\"")
            }
        },
    );
    None
}

/// The system's zone, or UTC and a warning if it has no IANA name.
pub(super) fn local(
    ground: &Ground<'_>,
    node: Option<&Node>,
    complaints: &mut Complaints,
) -> String {
    if let Some(name) = &ground.environment.local_zone {
        return name.clone();
    }
    let sentence = "the system's time zone has no IANA name, so \"local\" means UTC here";
    let problem = match node {
        Some(node) => Problem::at(node.place, sentence),
        None => Problem::of(ground.file, sentence),
    };
    complaints.warn(problem.help("name a zone: `timezone = \"Europe/Paris\"`, or \"UTC\""));
    "UTC".to_owned()
}
