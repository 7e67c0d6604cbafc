//! Histograms: how many values lie where. Pure.

/// Bounds of start delays in microseconds: from half a millisecond, which is as good as it gets, to a
/// minute.
const DELAYS: [u64; 16] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000, 30_000_000, 60_000_000,
];

/// Bounds of durations in microseconds, from 10 ms to 6 h.
const DURATIONS: [u64; 15] = [
    10_000,
    50_000,
    100_000,
    500_000,
    1_000_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
    600_000_000,
    1_800_000_000,
    3_600_000_000,
    7_200_000_000,
    21_600_000_000,
];

/// Values counted by the bounds that they do not exceed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buckets<const N: usize> {
    bounds: &'static [u64; N],
    within: [u64; N],
    beyond: u64,
    sum: u64,
}

/// How late fires start.
pub type Delays = Buckets<16>;

/// How long runs take.
pub type Durations = Buckets<15>;

impl Default for Delays {
    fn default() -> Self {
        Self::over(&DELAYS)
    }
}

impl Default for Durations {
    fn default() -> Self {
        Self::over(&DURATIONS)
    }
}

impl<const N: usize> Buckets<N> {
    fn over(bounds: &'static [u64; N]) -> Self {
        Self {
            bounds,
            within: [0; N],
            beyond: 0,
            sum: 0,
        }
    }

    /// Counts a value of so many microseconds; one below zero, of a clock that went back, is zero.
    pub(super) fn count(&mut self, micros: i64) {
        let micros = u64::try_from(micros).unwrap_or(0);
        let at = self.bounds.partition_point(|&bound| bound < micros);
        *self.within.get_mut(at).unwrap_or(&mut self.beyond) += 1;
        self.sum = self.sum.saturating_add(micros);
    }

    /// Adds the values of another.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.within.iter_mut().zip(&other.within) {
            *mine += theirs;
        }
        self.beyond += other.beyond;
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// How many values there are.
    pub fn total(&self) -> u64 {
        self.within.iter().sum::<u64>() + self.beyond
    }

    /// Their sum in seconds.
    pub fn sum_s(&self) -> f64 {
        seconds(self.sum)
    }

    /// For each bound in seconds, how many lie between it and the one before; the last is infinite.
    pub fn in_seconds(&self) -> Vec<(f64, u64)> {
        let bounds = self.bounds.iter().map(|&bound| seconds(bound));
        let counts = self.within.iter().copied();
        let beyond = (f64::INFINITY, self.beyond);
        bounds.zip(counts).chain([beyond]).collect()
    }
}

#[allow(clippy::cast_precision_loss, reason = "2^52 µs are 142 years")]
fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lie_at_or_below_their_bound() {
        let mut delays = Delays::default();
        for micros in [-7, 0, 500, 501, 60_000_000, 60_000_001, i64::MAX] {
            delays.count(micros);
        }
        let counts: Vec<u64> = delays
            .in_seconds()
            .iter()
            .map(|(_, count)| *count)
            .collect();
        let mut expected = [0; 17];
        (expected[0], expected[1], expected[15], expected[16]) = (3, 1, 1, 2);
        assert_eq!(counts, expected);
        assert_eq!(delays.total(), 7);
        let bounds: Vec<f64> = delays
            .in_seconds()
            .iter()
            .map(|(bound, _)| *bound)
            .collect();
        assert!(
            bounds.is_sorted() && bounds[0].total_cmp(&0.0005).is_eq(),
            "{bounds:?}"
        );
    }

    #[test]
    fn sums_are_of_all_values() {
        let (mut one, mut other) = (Durations::default(), Durations::default());
        one.count(1_500_000);
        other.count(250_000);
        other.count(1_500_000);
        one.add(&other);
        assert_eq!(one.total(), 3);
        assert!((one.sum_s() - 3.25).abs() < 1e-9, "{}", one.sum_s());
        let five = one.in_seconds()[5];
        assert!((five.0 - 5.0).abs() < 1e-9 && five.1 == 2, "{five:?}");
    }
}
