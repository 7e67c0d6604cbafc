//! What a process is told of its run.

use crate::job::Run;

/// The variables beside `PUNCTUAL_JOB`, `PUNCTUAL_RUN_ID` and `PUNCTUAL_ATTEMPT`, which the runner
/// sets itself.
pub(super) fn of(run: &Run) -> Vec<(String, String)> {
    let mut facts = vec![
        ("PUNCTUAL_TRIGGER".to_owned(), run.trigger.to_string()),
        (
            "PUNCTUAL_SCHEDULED_AT".to_owned(),
            format!("{:.6}", run.scheduled_at),
        ),
    ];
    for (name, value) in &run.params {
        facts.push((format!("PUNCTUAL_PARAM_{}", variable(name)), value.clone()));
    }
    facts
}

/// A parameter's name as the end of a variable's: upper case, anything but letters and digits `_`.
fn variable(name: &str) -> String {
    name.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_variables() {
        assert_eq!(variable("target"), "TARGET");
        assert_eq!(variable("dry-run.2"), "DRY_RUN_2");
    }
}
