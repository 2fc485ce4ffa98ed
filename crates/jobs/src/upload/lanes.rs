//! MD5 of several streams side by side on one processor. One stream alone leaves most of a processor idle, since each
//! step waits for the one before; the same step of eight streams takes about as long. Which streams go together, and
//! when, is in `sums`. No I/O, no threads.
//!
//! Source: RFC 1321.

use md5::block_api::compress;

/// Streams that go side by side.
pub const LANES: usize = 8;

/// What MD5 takes at a time.
type Block = [u8; 64];

/// The state of as many streams, by words.
type States = [[u32; LANES]; 4];

/// An MD5 that is being computed.
#[derive(Clone, Debug)]
pub struct Stream {
    state: [u32; 4],
    /// So many were taken.
    bytes: u64,
    /// Those that make no block yet, at its begin.
    tail: Block,
}

impl Default for Stream {
    fn default() -> Self {
        Self { state: [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476], bytes: 0, tail: [0; 64] }
    }
}

impl Stream {
    /// Takes the next bytes: answers the blocks in them that are to be computed before anything else of this stream.
    fn take<'a>(&mut self, bytes: &'a [u8]) -> &'a [Block] {
        let held = (self.bytes % 64) as usize;
        self.bytes += bytes.len() as u64;
        let mut rest = bytes;
        if held > 0 {
            let taken = rest.len().min(64 - held);
            self.tail[held..held + taken].copy_from_slice(&rest[..taken]);
            rest = &rest[taken..];
            if held + taken < 64 {
                return &[];
            }
            compress(&mut self.state, &[self.tail]);
        }
        let (blocks, left) = rest.as_chunks();
        self.tail[..left.len()].copy_from_slice(left);
        blocks
    }

    /// The MD5 of all that was taken.
    pub fn end(mut self) -> [u8; 16] {
        let held = (self.bytes % 64) as usize;
        let bits = self.bytes.wrapping_mul(8);
        let mut last = [self.tail, [0; 64]];
        let flat = last.as_flattened_mut();
        flat[held..].fill(0);
        flat[held] = 0x80;
        // The length is the end of the last block; there are two where it has no room in the first.
        let blocks = if held < 56 { 1 } else { 2 };
        flat[blocks * 64 - 8..blocks * 64].copy_from_slice(&bits.to_le_bytes());
        compress(&mut self.state, &last[..blocks]);
        let mut sum = [0; 16];
        sum.as_chunks_mut().0.iter_mut().zip(self.state).for_each(|(to, word)| *to = word.to_le_bytes());
        sum
    }
}

/// Takes the next bytes of each stream.
pub fn update(streams: &mut [(&mut Stream, &[u8])]) {
    advance(Kernel::of_this_processor(), streams);
}

/// How blocks of several streams are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kernel {
    /// One after the other.
    Plain,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Its registers are as wide; it rotates and combines in one step each.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Kernel {
    fn of_this_processor() -> Self {
        // What is not optimised is quicker one after the other.
        if cfg!(debug_assertions) { Self::Plain } else { Self::all().pop().unwrap_or(Self::Plain) }
    }

    /// Those that this processor can, the quickest last.
    fn all() -> Vec<Self> {
        let mut all = vec![Self::Plain];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            all.push(Self::Avx2);
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") {
                all.push(Self::Avx512);
            }
        }
        all
    }

    /// Computes `blocks` blocks of each stream.
    fn run(self, states: &mut States, data: &[&[Block]; LANES], blocks: usize) {
        match self {
            Self::Plain => {
                for (lane, data) in data.iter().enumerate() {
                    let mut state = states.map(|word| word[lane]);
                    compress(&mut state, &data[..blocks]);
                    (0..4).for_each(|word| states[word][lane] = state[word]);
                }
            }
            // SAFETY: `all`, where it comes from, has looked whether this processor can.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { x86::avx2(states, data, blocks) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { x86::avx512(states, data, blocks) },
        }
    }
}

fn advance(kernel: Kernel, streams: &mut [(&mut Stream, &[u8])]) {
    let taken = streams.iter_mut().map(|(stream, bytes)| {
        let blocks = stream.take(bytes);
        (&mut stream.state, blocks)
    });
    let mut left: Vec<(&mut [u32; 4], &[Block])> = taken.collect();
    loop {
        left.retain(|(_, blocks)| !blocks.is_empty());
        let now = left.len().min(LANES);
        let Some(blocks) = left[..now].iter().map(|(_, blocks)| blocks.len()).min() else { return };
        if now == 1 || kernel == Kernel::Plain {
            let (state, data) = &mut left[0];
            compress(state, data);
            *data = &[];
            continue;
        }
        // Lanes that are not needed do what the first does, for nobody.
        let data: [&[Block]; LANES] = std::array::from_fn(|lane| left[lane.min(now - 1)].1);
        let mut states = States::default();
        for (lane, (state, _)) in left[..now].iter().enumerate() {
            (0..4).for_each(|word| states[word][lane] = state[word]);
        }
        kernel.run(&mut states, &data, blocks);
        for (lane, (state, data)) in left[..now].iter_mut().enumerate() {
            **state = states.map(|word| word[lane]);
            *data = &data[blocks..];
        }
    }
}

/// Eight streams in registers of 256 bits.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Block, LANES, States};

    /// The constants of the 64 steps, four a row.
    const K: [[u32; 4]; 16] = [
        [0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee],
        [0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501],
        [0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be],
        [0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821],
        [0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa],
        [0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8],
        [0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed],
        [0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a],
        [0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c],
        [0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70],
        [0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05],
        [0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665],
        [0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039],
        [0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1],
        [0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1],
        [0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391],
    ];

    // What comes to `a` of each kind of step: all but the last argument of it is ready early, so that the next step waits
    // for little.
    macro_rules! f {
        ($a:expr, $b:expr, $c:expr, $d:expr) => {
            _mm256_add_epi32($a, _mm256_xor_si256($d, _mm256_and_si256($b, _mm256_xor_si256($c, $d))))
        };
    }
    macro_rules! g {
        ($a:expr, $b:expr, $c:expr, $d:expr) => {
            _mm256_add_epi32(_mm256_add_epi32($a, _mm256_andnot_si256($d, $c)), _mm256_and_si256($b, $d))
        };
    }
    macro_rules! h {
        ($a:expr, $b:expr, $c:expr, $d:expr) => {
            _mm256_add_epi32($a, _mm256_xor_si256($b, _mm256_xor_si256($c, $d)))
        };
    }
    macro_rules! i {
        ($a:expr, $b:expr, $c:expr, $d:expr) => {{
            let not_c = _mm256_xor_si256($c, _mm256_set1_epi32(-1));
            _mm256_add_epi32($a, _mm256_xor_si256(not_c, _mm256_andnot_si256($b, $d)))
        }};
    }

    /// One step: what it does, the four words, the shift, its number, and the word of the block.
    macro_rules! step {
        ($mix:ident, $a:ident, $b:ident, $c:ident, $d:ident, $s:literal, $m:ident, $step:expr, $word:expr) => {
            let with = _mm256_add_epi32(
                $a,
                _mm256_add_epi32($m[$word], _mm256_set1_epi32(K.as_flattened()[$step] as i32)),
            );
            let sum = $mix!(with, $b, $c, $d);
            let turned = _mm256_or_si256(_mm256_slli_epi32::<$s>(sum), _mm256_srli_epi32::<{ 32 - $s }>(sum));
            $a = _mm256_add_epi32($b, turned);
        };
    }

    /// Four steps from number `$n` on; the first takes word `$w` of the block, each other one `$by` further.
    macro_rules! four {
        ($mix:ident, $a:ident $b:ident $c:ident $d:ident, $s0:literal $s1:literal $s2:literal $s3:literal, $m:ident, $n:expr, $w:expr, $by:expr) => {
            step!($mix, $a, $b, $c, $d, $s0, $m, $n, $w % 16);
            step!($mix, $d, $a, $b, $c, $s1, $m, $n + 1, ($w + $by) % 16);
            step!($mix, $c, $d, $a, $b, $s2, $m, $n + 2, ($w + 2 * $by) % 16);
            step!($mix, $b, $c, $d, $a, $s3, $m, $n + 3, ($w + 3 * $by) % 16);
        };
    }

    macro_rules! kernel {
        ($name:ident, $features:literal) => {
            /// Computes `blocks` blocks of each stream, of which `data` has as many.
            #[target_feature(enable = $features)]
            pub(super) fn $name(states: &mut States, data: &[&[Block]; LANES], blocks: usize) {
                let [mut a, mut b, mut c, mut d] = words(states);
                for block in 0..blocks {
                    let ([m0, m1, m2, m3, m4, m5, m6, m7], [m8, m9, m10, m11, m12, m13, m14, m15]) =
                        (by_words(rows(data, block, 0)), by_words(rows(data, block, 32)));
                    let m = [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15];
                    let before = [a, b, c, d];
                    four!(f, a b c d, 7 12 17 22, m, 0, 0, 1);
                    four!(f, a b c d, 7 12 17 22, m, 4, 4, 1);
                    four!(f, a b c d, 7 12 17 22, m, 8, 8, 1);
                    four!(f, a b c d, 7 12 17 22, m, 12, 12, 1);
                    four!(g, a b c d, 5 9 14 20, m, 16, 1, 5);
                    four!(g, a b c d, 5 9 14 20, m, 20, 5, 5);
                    four!(g, a b c d, 5 9 14 20, m, 24, 9, 5);
                    four!(g, a b c d, 5 9 14 20, m, 28, 13, 5);
                    four!(h, a b c d, 4 11 16 23, m, 32, 5, 3);
                    four!(h, a b c d, 4 11 16 23, m, 36, 1, 3);
                    four!(h, a b c d, 4 11 16 23, m, 40, 13, 3);
                    four!(h, a b c d, 4 11 16 23, m, 44, 9, 3);
                    four!(i, a b c d, 6 10 15 21, m, 48, 0, 7);
                    four!(i, a b c d, 6 10 15 21, m, 52, 12, 7);
                    four!(i, a b c d, 6 10 15 21, m, 56, 8, 7);
                    four!(i, a b c d, 6 10 15 21, m, 60, 4, 7);
                    a = _mm256_add_epi32(a, before[0]);
                    b = _mm256_add_epi32(b, before[1]);
                    c = _mm256_add_epi32(c, before[2]);
                    d = _mm256_add_epi32(d, before[3]);
                }
                for (word, value) in [a, b, c, d].into_iter().enumerate() {
                    // SAFETY: so many words are there to be written.
                    unsafe { _mm256_storeu_si256(states[word].as_mut_ptr().cast(), value) }
                }
            }
        };
    }

    kernel!(avx2, "avx2");
    kernel!(avx512, "avx2,avx512f,avx512vl");

    /// Each word of the states.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn words(states: &States) -> [__m256i; 4] {
        let mut words = [_mm256_setzero_si256(); 4];
        for (to, word) in words.iter_mut().zip(states) {
            // SAFETY: so many words are there to be read.
            *to = unsafe { _mm256_loadu_si256(word.as_ptr().cast()) };
        }
        words
    }

    /// Eight words of each stream's block number `block`, from its byte `from` on.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn rows(data: &[&[Block]; LANES], block: usize, from: usize) -> [__m256i; LANES] {
        let mut rows = [_mm256_setzero_si256(); LANES];
        for (row, data) in rows.iter_mut().zip(data) {
            let half: &[u8] = &data[block][from..from + 32];
            // SAFETY: 32 bytes are there to be read.
            *row = unsafe { _mm256_loadu_si256(half.as_ptr().cast()) };
        }
        rows
    }

    /// From eight words of each stream to each word of eight streams.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn by_words(rows: [__m256i; LANES]) -> [__m256i; LANES] {
        let [r0, r1, r2, r3, r4, r5, r6, r7] = rows;
        let (t0, t1) = (_mm256_unpacklo_epi32(r0, r1), _mm256_unpackhi_epi32(r0, r1));
        let (t2, t3) = (_mm256_unpacklo_epi32(r2, r3), _mm256_unpackhi_epi32(r2, r3));
        let (t4, t5) = (_mm256_unpacklo_epi32(r4, r5), _mm256_unpackhi_epi32(r4, r5));
        let (t6, t7) = (_mm256_unpacklo_epi32(r6, r7), _mm256_unpackhi_epi32(r6, r7));
        let (s0, s1) = (_mm256_unpacklo_epi64(t0, t2), _mm256_unpackhi_epi64(t0, t2));
        let (s2, s3) = (_mm256_unpacklo_epi64(t1, t3), _mm256_unpackhi_epi64(t1, t3));
        let (s4, s5) = (_mm256_unpacklo_epi64(t4, t6), _mm256_unpackhi_epi64(t4, t6));
        let (s6, s7) = (_mm256_unpacklo_epi64(t5, t7), _mm256_unpackhi_epi64(t5, t7));
        [
            _mm256_permute2x128_si256::<0x20>(s0, s4),
            _mm256_permute2x128_si256::<0x20>(s1, s5),
            _mm256_permute2x128_si256::<0x20>(s2, s6),
            _mm256_permute2x128_si256::<0x20>(s3, s7),
            _mm256_permute2x128_si256::<0x31>(s0, s4),
            _mm256_permute2x128_si256::<0x31>(s1, s5),
            _mm256_permute2x128_si256::<0x31>(s2, s6),
            _mm256_permute2x128_si256::<0x31>(s3, s7),
        ]
    }
}

#[cfg(test)]
mod tests {
    use md5::{Digest, Md5};
    use proptest::prelude::*;

    use super::*;

    fn content(len: usize, seed: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 31 + i / 253 + seed * 7) as u8).collect()
    }

    proptest! {
        #[test]
        fn streams_of_any_length_in_pieces_of_any_size_have_the_md5_of_each_alone(
            lens in prop::collection::vec(0usize..900, 0..12), piece in 1usize..300,
        ) {
            for kernel in Kernel::all() {
                let whole: Vec<_> = lens.iter().enumerate().map(|(seed, len)| content(*len, seed)).collect();
                let mut streams = vec![Stream::default(); lens.len()];
                for from in (0..900).step_by(piece) {
                    let part = |bytes: &'_ Vec<u8>| from.min(bytes.len())..(from + piece).min(bytes.len());
                    let mut now: Vec<_> =
                        streams.iter_mut().zip(&whole).map(|(s, bytes)| (s, &bytes[part(bytes)])).collect();
                    advance(kernel, &mut now);
                }
                for (stream, bytes) in streams.into_iter().zip(&whole) {
                    let alone: [u8; 16] = Md5::digest(bytes).into();
                    prop_assert_eq!(stream.end(), alone, "{:?} of {} bytes", kernel, bytes.len());
                }
            }
        }
    }

    #[test]
    fn the_kernels_of_this_processor_are_tried() {
        // Else the test above would prove little where it runs most.
        #[cfg(target_arch = "x86_64")]
        assert_eq!(Kernel::all().len() > 1, is_x86_feature_detected!("avx2"));
        assert_eq!(Kernel::all()[0], Kernel::Plain);
    }
}
