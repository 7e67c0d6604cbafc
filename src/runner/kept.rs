//! Captured output as two byte strings: what was printed, and where what stands in it.

use super::output::CapturedOutput;

impl CapturedOutput {
    /// The bytes, and the layout that makes sense of them.
    pub fn into_parts(mut self) -> (Vec<u8>, Vec<u8>) {
        let bytes = std::mem::take(&mut self.bytes);
        // Numbers and lists of them always have a JSON form.
        let layout = serde_json::to_vec(&self).expect("a layout is numbers alone");
        (bytes, layout)
    }

    /// What [`CapturedOutput::into_parts`] took apart. The error is that of a damaged layout.
    pub fn from_parts(bytes: Vec<u8>, layout: &[u8]) -> Result<Self, serde_json::Error> {
        let mut output: Self = serde_json::from_slice(layout)?;
        output.bytes = bytes;
        Ok(output)
    }
}

#[cfg(test)]
mod tests {
    use super::super::output::Stream;
    use super::*;

    #[test]
    fn apart_and_together_again() {
        let output = CapturedOutput {
            bytes: b"one\xfftwo".to_vec(),
            segments: vec![(Stream::Stdout, 4), (Stream::Stderr, 3)],
            total_bytes: 7,
            ..CapturedOutput::default()
        };
        let (bytes, layout) = output.clone().into_parts();
        assert_eq!(bytes, b"one\xfftwo");
        assert_eq!(CapturedOutput::from_parts(bytes, &layout).unwrap(), output);
    }
}
