//! The parameters of a manual run.

use std::collections::BTreeMap;

use super::Refusal;
use crate::job::Plan;

/// The longest value of a parameter, in bytes.
const MAX_VALUE: usize = 4096;

/// Fills in defaults and checks what was passed: the parameters that a run by hand has.
pub fn check(
    plan: &Plan,
    mut passed: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Refusal> {
    if let Some(unknown) = passed.keys().find(|name| !plan.params.contains_key(*name)) {
        let known: Vec<_> = plan.params.keys().map(String::as_str).collect();
        let known = if known.is_empty() {
            "none".to_owned()
        } else {
            known.join(", ")
        };
        return Err(Refusal::BadParams(format!(
            "job {} has no parameter {unknown:?}; it has: {known}",
            plan.name
        )));
    }
    let mut complete = BTreeMap::new();
    for (name, param) in &plan.params {
        let value = passed
            .remove(name)
            .or_else(|| param.default.clone())
            .ok_or_else(|| {
                Refusal::BadParams(format!(
                    "parameter {name:?} of job {} has no default",
                    plan.name
                ))
            })?;
        if value.len() > MAX_VALUE || value.contains('\0') {
            return Err(Refusal::BadParams(format!(
                "parameter {name:?} is longer than {MAX_VALUE} bytes or holds a NUL byte"
            )));
        }
        if let Some(pattern) = &param.pattern {
            let whole = format!("^(?:{pattern})$");
            let matches = regex_lite::Regex::new(&whole)
                .map_err(|e| Refusal::BadParams(format!("the pattern of {name:?}: {e}")))?
                .is_match(&value);
            if !matches {
                return Err(Refusal::BadParams(format!(
                    "parameter {name:?} must match {pattern}, and {value:?} does not"
                )));
            }
        }
        complete.insert(name.clone(), value);
    }
    Ok(complete)
}

/// What a fire gets, which nobody passes anything to.
pub(super) fn defaults(plan: &Plan) -> BTreeMap<String, String> {
    let params = plan.params.iter();
    params
        .filter_map(|(name, param)| Some((name.clone(), param.default.clone()?)))
        .collect()
}
