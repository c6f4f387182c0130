//! Changes to files.

/// Words of the grammars that readers know, and numbers that readers fear.
const WORDS: &[&str] = &[
    ":",
    "*",
    "0",
    "1",
    "-1",
    "0.5",
    "1e400",
    "1e-400",
    "1e308",
    "nan",
    "-inf",
    "999999999",
    "4294967296",
    "33554432",
    "18446744073709551615",
    "uniform",
    "identity",
    "reset",
    "T:",
    "O:",
    "R:",
    "E:",
    "states:",
    "start:",
    "start include:",
    "#",
    "\n",
    "\r",
    "\0",
    "\u{feff}",
    "é",
    "<",
    ">",
    "</",
    "/>",
    "&",
    "&a;",
    "\"",
    "'",
    "<!--",
    "--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<!DOCTYPE a [",
    "<?",
    "&#0;",
    "{",
    "}",
    "[",
    "]",
    ",",
    "null",
    "true",
    "-",
    "xmlns:='",
    "<Entry>",
    "<Node var=\"",
    "<SubDAG type=\"template\" idref=\"t\"/>",
    "action=\"9\"",
    "obsValue=\"9\"",
    "X",
    "\"merges\":",
    "\"vocab\":",
    "\"type\":",
    "\"dtype\":\"I64\"",
    "\"shape\":[",
    "data_offsets",
];

/// Numbers that lengths and counts in binary headers are replaced with.
const LENGTHS: &[u64] = &[
    0,
    1,
    0x7f,
    0xff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x1_0000_0000,
    1 << 40,
    i64::MAX as u64,
    u64::MAX - 7,
    u64::MAX,
];

/// Random numbers that are a function of a seed and a case (`SplitMix64`; Steele, Lea, Flood 2014).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The numbers of one case.
    pub fn new(seed: u64, case: u64) -> Self {
        let mut random = Self(seed);
        let start = random.next();
        Self(start ^ case.wrapping_mul(0xd1b5_4a32_d192_ed03))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `len - 1`; 0 for a `len` of 0.
    pub fn below(&mut self, len: usize) -> usize {
        (self.uniform() * len as f64) as usize
    }

    /// A number in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// A file with one to eight changes; pieces of `others` may come into it.
pub fn broken(random: &mut Random, whole: &[u8], others: &[&[u8]]) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for _ in 0..=random.below(8) {
        if bytes.is_empty() {
            break;
        }
        change(random, &mut bytes, others);
    }
    bytes
}

fn change(random: &mut Random, bytes: &mut Vec<u8>, others: &[&[u8]]) {
    // Half of the changes are near the beginning, where headers are.
    let within = if random.below(2) == 0 { bytes.len().min(512) } else { bytes.len() };
    let at = random.below(within);
    let line = |at: usize, bytes: &[u8]| {
        let start = bytes[..at].iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
        let end = bytes[at..].iter().position(|&b| b == b'\n').map_or(bytes.len(), |i| at + i + 1);
        start..end
    };
    let is_end = |b: &u8| b.is_ascii_whitespace() || b"<>:,[]{}\"'=".contains(b);
    match random.below(13) {
        0 => bytes[at] = random.below(256) as u8,
        1 => bytes.insert(at, random.below(256) as u8),
        2 => drop(bytes.remove(at)),
        3 => drop(bytes.drain(line(at, bytes))),
        4 => {
            let range = line(at, bytes);
            let copy = bytes[range.clone()].repeat(1 + random.below(3));
            // Doubling a file that is one line would soon fill the memory.
            if copy.len() < 1 << 20 {
                bytes.splice(range.end..range.end, copy);
            }
        }
        5 => {
            let moved: Vec<u8> = bytes.drain(line(at, bytes)).collect();
            let to = random.below(bytes.len() + 1);
            bytes.splice(to..to, moved);
        }
        6 => bytes.truncate(random.below(bytes.len())),
        7 => {
            let other = others[random.below(others.len())];
            let from = random.below(other.len());
            let piece = &other[from..(from + 1 + random.below(200)).min(other.len())];
            bytes.splice(at..at, piece.iter().copied());
        }
        8 => {
            // A length or a count of a binary header, in four bytes or in eight.
            let value = LENGTHS[random.below(LENGTHS.len())].to_le_bytes();
            let width = (4 << random.below(2)).min(bytes.len() - at);
            bytes[at..at + width].copy_from_slice(&value[..width]);
        }
        9 | 10 => {
            // A number of the text, in its place.
            let Some(start) = bytes[at..].iter().position(u8::is_ascii_digit).map(|i| at + i) else { return };
            let len = bytes[start..].iter().take_while(|b| b.is_ascii_digit() || **b == b'.').count();
            let number = WORDS[2 + random.below(13)].as_bytes();
            bytes.splice(start..start + len, number.iter().copied());
        }
        kind => {
            // A word in front of another one, or in its place.
            let word = WORDS[random.below(WORDS.len())].as_bytes();
            let end = if kind == 11 { 0 } else { bytes[at..].iter().position(is_end).unwrap_or(0) };
            bytes.splice(at..at + end, word.iter().copied());
        }
    }
}
