//! Sets of small numbers as the bits of a word: bit `n` says that `n` is in the set.

/// The numbers from `low` to `high`, `step` apart. All below 64, `step` at least 1.
pub fn span(low: u32, high: u32, step: u32) -> u64 {
    let mut bits = 0;
    let mut value = low;
    while value <= high {
        bits |= 1 << value;
        value += step;
    }
    bits
}

/// The numbers from `low` to `high`, both below 64.
pub fn range(low: u32, high: u32) -> u64 {
    if low > high {
        0
    } else {
        (u64::MAX << low) & (u64::MAX >> (63 - high))
    }
}

/// The smallest member that is at least `from`.
pub fn at_or_after(bits: u64, from: u32) -> Option<u32> {
    let rest = bits & u64::MAX.checked_shl(from).unwrap_or(0);
    (rest != 0).then(|| rest.trailing_zeros())
}

/// The largest member that is at most `to` (below 64).
pub fn at_or_before(bits: u64, to: u32) -> Option<u32> {
    let rest = bits & (u64::MAX >> (63 - to));
    (rest != 0).then(|| rest.ilog2())
}

/// The members, smallest first.
pub fn members(bits: u64) -> impl Iterator<Item = u32> {
    (0..64).filter(move |&n| bits >> n & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets() {
        for (low, high) in [(0, 0), (0, 63), (63, 63), (1, 31), (9, 8)] {
            assert_eq!(range(low, high), span(low, high, 1));
        }
        let odd = span(1, 9, 2);
        assert_eq!(members(odd).collect::<Vec<_>>(), [1, 3, 5, 7, 9]);
        assert_eq!(
            (
                at_or_after(odd, 2),
                at_or_after(odd, 3),
                at_or_after(odd, 10)
            ),
            (Some(3), Some(3), None)
        );
        assert_eq!(
            (
                at_or_before(odd, 8),
                at_or_before(odd, 63),
                at_or_before(odd, 0)
            ),
            (Some(7), Some(9), None)
        );
        assert_eq!(at_or_after(1 << 63, 64), None);
    }
}
