//! What every reader of a text does: it passes over the byte-order mark that Windows editors put before a text, and says in plain words what is wrong with it.

/// A text that may begin with a byte-order mark, U+FEFF.
pub trait Unmarked {
    /// The text after the mark; all of it where there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// use tiresias_text::Unmarked;
    /// assert_eq!("\u{feff}discount: 0.9".unmarked(), "discount: 0.9");
    /// assert_eq!(b"\xef\xbb\xbf{}"[..].unmarked(), b"{}");
    /// assert_eq!("{}".unmarked(), "{}");
    /// ```
    fn unmarked(&self) -> &Self;
}

impl Unmarked for str {
    fn unmarked(&self) -> &Self {
        self.strip_prefix('\u{feff}').unwrap_or(self)
    }
}

impl Unmarked for [u8] {
    fn unmarked(&self) -> &Self {
        self.strip_prefix("\u{feff}".as_bytes()).unwrap_or(self)
    }
}

/// What serde says of a value of another type than was expected, without the names that types have in Rust; any other message as it is.
///
/// # Examples
///
/// ```
/// use tiresias_text::in_words;
/// assert_eq!(in_words("invalid type: string \"1\", expected f64"), "invalid type: string \"1\", expected a number");
/// assert_eq!(in_words("invalid type: floating point `2.5`, expected usize"), "invalid type: number `2.5`, expected a whole number from 0 on");
/// assert_eq!(in_words("invalid type: map, expected a sequence"), "invalid type: object, expected a list");
/// assert_eq!(in_words("invalid type: null, expected struct Text"), "invalid type: null, expected an object");
/// assert_eq!(in_words("unknown field `f64`, expected `usize`"), "unknown field `f64`, expected `usize`");
/// ```
#[must_use]
pub fn in_words(message: &str) -> String {
    let Some((found, expected)) = message.rsplit_once(", expected ").filter(|_| message.starts_with("invalid ")) else {
        return message.into();
    };
    let expected = match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0 on",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a sequence" => "a list",
        "a map" => "an object",
        other if other.starts_with("struct ") => "an object",
        other => other,
    };
    let found = match found {
        "invalid type: map" => "invalid type: object".into(),
        "invalid type: sequence" => "invalid type: list".into(),
        other => other.replacen(": floating point `", ": number `", 1),
    };
    format!("{found}, expected {expected}")
}
