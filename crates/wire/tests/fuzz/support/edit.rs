//! From random bytes to an input that a grammar knows: the bytes choose a member of the corpus and edits of its
//! tokens, or of its JSON (`json`). One script in sixteen is taken for the input itself.

use super::corpus::Member;
use super::json;

/// Scripts whose first byte is not below are the input themselves.
const RAW_FROM: u8 = 240;
/// Most edits of one member.
const EDITS_MAX: usize = 5;
/// Longest input that edits make, in bytes; beyond, nothing is repeated any more.
const LENGTH_MAX: usize = 128 * 1024;
/// How often a range of tokens is repeated; the last two go beyond limits of conditions and of lists.
const TIMES: [usize; 16] = [1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 3, 3, 7, 7, 70, 1100];
/// What no client sends on purpose.
const ODD: [&str; 18] = [
    "\0",
    "%00",
    "%ff",
    "%",
    "\u{feff}",
    "\u{202e}",
    "\u{fffd}",
    "é",
    "😀",
    "\\",
    "\\u0000",
    "\\ud800",
    "\"",
    "'",
    "\n",
    "\r\n",
    "18446744073709551616",
    "-9223372036854775809",
];

/// The bytes of a script, one after the other; zeros when they are used up.
pub struct Script<'s>(&'s [u8]);

impl<'s> Script<'s> {
    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (usize::from(self.byte()) << 8 | usize::from(self.byte())) % end
    }

    /// One of a list that is not empty.
    pub fn of<'l, T>(&mut self, list: &'l [T]) -> &'l T {
        &list[self.below(list.len())]
    }
}

/// The input that `script` describes.
pub fn input(corpus: &[Member], dictionary: &[&str], script: &[u8]) -> Vec<u8> {
    let mut script = Script(script);
    if script.byte() >= RAW_FROM {
        return script.0.to_vec();
    }
    let member = &script.of(corpus).bytes;
    let (as_json, edits) = (script.byte() % 4 != 0, usize::from(script.byte()) % (EDITS_MAX + 1));
    if let Some(edited) = as_json.then(|| json::edited(member, dictionary, edits, &mut script)).flatten() {
        return edited;
    }
    let mut tokens = tokens(member);
    for _ in 0..edits {
        edit(&mut tokens, corpus, dictionary, &mut script);
    }
    tokens.concat()
}

/// The places of the member where two tokens are neighbours.
pub fn pairs(member: &Member) -> impl Iterator<Item = (&Member, usize)> {
    (1..tokens(&member.bytes).len()).map(move |at| (member, at))
}

/// The member with the two tokens at a place repeated until they have `length` bytes.
pub fn repeated(member: &Member, at: usize, length: usize) -> Vec<u8> {
    let tokens = tokens(&member.bytes);
    let pair = tokens[at - 1..=at].concat();
    let times = length / pair.len();
    [tokens[..at - 1].concat(), pair.repeat(times), tokens[at + 1..].concat()].concat()
}

fn edit(tokens: &mut Vec<Vec<u8>>, corpus: &[Member], dictionary: &[&str], script: &mut Script<'_>) {
    let kind = script.byte() % 9;
    let at = script.below(tokens.len() + 1);
    let end = |length: usize| (at + length).min(tokens.len());
    match kind {
        0 => drop(tokens.drain(at..end(1 + script.below(3)))),
        1 => tokens.insert(at, script.of(dictionary).as_bytes().to_vec()),
        2 => drop(tokens.splice(at..end(1), [script.of(dictionary).as_bytes().to_vec()])),
        3 => {
            let range = tokens[at..end(1 + script.below(12))].to_vec();
            let length = range.iter().map(Vec::len).sum::<usize>().max(1);
            let room = LENGTH_MAX.saturating_sub(tokens.iter().map(Vec::len).sum()) / length;
            let times = (*script.of(&TIMES)).min(room);
            let again = std::iter::repeat_n(range, times).flatten();
            drop(tokens.splice(at..at, again));
        }
        4 => {
            let other = self::tokens(&script.of(corpus).bytes);
            let from = script.below(other.len() + 1);
            let piece = other.into_iter().skip(from).take(1 + script.below(24)).collect::<Vec<_>>();
            drop(tokens.splice(at..end(script.below(24)), piece));
        }
        5 => {
            let other = script.below(tokens.len() + 1);
            if at.max(other) < tokens.len() {
                tokens.swap(at, other);
            }
        }
        6 => {
            let (place, bit) = (script.below(64), script.byte() % 8);
            let byte = tokens.get_mut(at).and_then(|token| token.get_mut(place));
            if let Some(byte) = byte {
                *byte ^= 1 << bit;
            }
        }
        7 => tokens.insert(at, script.of(&ODD).as_bytes().to_vec()),
        _ => tokens.truncate(at),
    }
}

/// Words, runs of spaces, and single other bytes.
fn tokens(text: &[u8]) -> Vec<Vec<u8>> {
    let class = |byte: u8| match byte {
        b'_' => 1,
        b if b.is_ascii_alphanumeric() || !b.is_ascii() => 1,
        b if b.is_ascii_whitespace() => 2,
        _ => 0,
    };
    let together = |a: &u8, b: &u8| class(*a) == class(*b) && class(*a) != 0;
    text.chunk_by(together).map(<[u8]>::to_vec).collect()
}
