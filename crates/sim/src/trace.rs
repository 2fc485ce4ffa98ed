//! What happened in a simulation, as a hash that two runs of one seed must share, and as text for people
//! who replay a seed. Nothing is decided by it.

/// The trace of one simulation.
#[derive(Debug)]
pub struct Trace {
    hash: u64,
    print: bool,
}

impl Trace {
    /// Empty; `print` writes each line to standard output as it happens.
    pub fn new(print: bool) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, print }
    }

    /// Takes numbers into the hash.
    pub fn mix(&mut self, numbers: &[u64]) {
        for number in numbers {
            self.bytes(&number.to_le_bytes());
        }
    }

    /// Takes a line into the hash, and prints it if asked to.
    pub fn line(&mut self, at_us: u64, place: u32, text: &str) {
        self.mix(&[at_us, u64::from(place)]);
        self.bytes(text.as_bytes());
        if self.print {
            let (s, us) = (at_us / 1_000_000, at_us % 1_000_000);
            println!("{s:5}.{us:06} place {place:2}  {text}");
        }
    }

    /// The hash so far.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3); // FNV-1a
        }
    }
}
