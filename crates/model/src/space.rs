//! A finite set with optional names for its elements.

use crate::ModelError;

/// A finite set `0..len`, its elements named or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    len: usize,
    names: Option<Vec<String>>,
}

impl Space {
    /// `len` unnamed elements. [`ModelError::Shape`] when `len` is 0.
    pub fn unnamed(what: &str, len: usize) -> Result<Self, ModelError> {
        if len == 0 {
            return Err(ModelError::Shape { what: what.into(), expected: 1, found: 0 });
        }
        // Kernels index their columns with 32 bits.
        if len > u32::MAX as usize {
            return Err(ModelError::Number { what: what.into(), value: len as f64, expected: "below 2^32" });
        }
        Ok(Self { len, names: None })
    }

    /// Named elements. Names must be unique and not empty.
    pub fn named<T: Into<String>>(what: &str, names: impl IntoIterator<Item = T>) -> Result<Self, ModelError> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let mut seen = std::collections::HashSet::new();
        for name in &names {
            if name.is_empty() || !seen.insert(name) {
                let problem = if name.is_empty() { "is empty" } else { "stands twice; names must be unique" };
                return Err(ModelError::Name { what: what.into(), name: name.clone(), problem: problem.into() });
            }
        }
        Self::unnamed(what, names.len()).map(|space| Self { names: Some(names), ..space })
    }

    /// Number of elements, at least 1.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The name of element `i`, or its number.
    pub fn name(&self, i: usize) -> String {
        self.names.as_ref().map_or_else(|| i.to_string(), |names| names[i].clone())
    }

    /// The names, when the elements have any.
    pub fn names(&self) -> Option<&[String]> {
        self.names.as_deref()
    }

    /// The element that `name` names: by its name, or by its number in decimal.
    pub fn index(&self, name: &str) -> Option<usize> {
        let by_name = self.names.as_ref().and_then(|names| names.iter().position(|n| n == name));
        by_name.or_else(|| name.parse().ok().filter(|&i| i < self.len))
    }
}
