//! Choices that depend on a job's name alone, so that no restart, reload or other node makes them
//! anew. What they return must never change: it decides instants that ledgers hold.

use sha2::{Digest, Sha256};

/// A number for this purpose and job, even over all of its range: the first eight bytes, big-endian,
/// of the SHA-256 of the purpose, a zero byte and the job's name.
fn hash(purpose: &str, job: &str) -> u64 {
    let digest = Sha256::new()
        .chain_update(purpose)
        .chain_update(b"\0")
        .chain_update(job)
        .finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first)
}

/// The `H` of this cron field: a number below `values`, which is at least 1.
pub fn choice(field: &str, job: &str, values: u32) -> u32 {
    let chosen = hash(&format!("H {field}"), job) % u64::from(values);
    u32::try_from(chosen).expect("it is below a u32")
}

/// The job's share of a span of time: at least 0, below `micros`, unless that is 0.
pub fn share(job: &str, micros: u64) -> u64 {
    let scaled = (u128::from(hash("jitter", job)) * u128::from(micros)) >> 64;
    u64::try_from(scaled).expect("it is below micros")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These values are in the ledgers of users.
    #[test]
    fn never_changes() {
        assert_eq!(choice("minute", "backup", 60), 11);
        assert_eq!(choice("hour", "backup", 24), 23);
        assert_eq!(share("backup", 30_000_000), 16_595_719);
    }

    #[test]
    fn spreads_evenly() {
        let mut per_minute = [0_u32; 60];
        for n in 0..6000 {
            per_minute[choice("minute", &format!("job-{n}"), 60) as usize] += 1;
        }
        assert!(
            per_minute.iter().all(|&jobs| (50..150).contains(&jobs)),
            "{per_minute:?}"
        );
    }
}
