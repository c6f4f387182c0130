//! What every reader of a text does first: it passes over the byte-order mark that Windows editors put before a text.

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
