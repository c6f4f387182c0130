//! A finite set with optional names for its elements.

use std::sync::OnceLock;

use rustc_hash::FxHashSet;

use crate::{ModelError, memory};

/// A finite set `0..len`, its elements named or not.
#[derive(Debug, Clone)]
pub struct Space {
    len: usize,
    names: Names,
}

#[derive(Debug, Clone)]
enum Names {
    /// Elements are called by their numbers.
    Numbers,
    List(Vec<String>),
    /// The values of several variables joined by commas, the last changing fastest. A quarter of a million names take no
    /// memory until somebody asks for all of them.
    Product {
        variables: Vec<Vec<String>>,
        /// Which variables are always seen, by what their file said.
        observed: Vec<bool>,
        all: OnceLock<Vec<String>>,
    },
}

impl Names {
    fn bytes(&self) -> usize {
        let list = |names: &[String]| names.iter().map(|name| size_of::<String>() + name.capacity()).sum::<usize>();
        match self {
            Self::Numbers => 0,
            Self::List(names) => list(names),
            Self::Product { variables, observed, all } => {
                let variables: usize = variables.iter().map(|values| list(values)).sum();
                variables + observed.len() + all.get().map_or(0, |names| list(names))
            }
        }
    }
}

impl PartialEq for Space {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.names() == other.names()
    }
}

impl Eq for Space {}

impl Space {
    /// `len` unnamed elements. [`ModelError::Shape`] when `len` is 0, [`ModelError::Memory`] when one number an element does not fit.
    pub fn unnamed(what: &str, len: usize) -> Result<Self, ModelError> {
        if len == 0 {
            return Err(ModelError::Shape { what: what.into(), expected: 1, found: 0 });
        }
        // Kernels index their columns with 32 bits.
        if len > u32::MAX as usize {
            return Err(ModelError::Number { what: what.into(), value: len as f64, expected: "below 2^32" });
        }
        let what = || format!("{len} {what}");
        memory::check(memory::product(&[len, 8]), what, "make the model smaller")?;
        Ok(Self { len, names: Names::Numbers })
    }

    /// Named elements. Names must be unique and not empty.
    pub fn named<T: Into<String>>(what: &str, names: impl IntoIterator<Item = T>) -> Result<Self, ModelError> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let mut seen = FxHashSet::default();
        for name in &names {
            if name.is_empty() || !seen.insert(name) {
                let problem = if name.is_empty() { "is empty" } else { "stands twice; names must be unique" };
                return Err(ModelError::Name { what: what.into(), name: name.clone(), problem: problem.into() });
            }
        }
        Self::unnamed(what, names.len()).map(|space| Self { names: Names::List(names), ..space })
    }

    /// The product of variables, each a list of its values: elements are named by their values joined by commas, the last
    /// variable changing fastest. Values must be unique within a variable, not empty and without commas.
    pub fn product(what: &str, variables: Vec<Vec<String>>) -> Result<Self, ModelError> {
        for values in &variables {
            Self::named(what, values.iter().map(String::as_str))?;
            if let Some(name) = values.iter().find(|value| value.contains(',')) {
                return Err(ModelError::Name {
                    what: what.into(),
                    name: name.clone(),
                    problem: "holds a comma".into(),
                });
            }
        }
        let len = variables.iter().try_fold(1_usize, |len, values| len.checked_mul(values.len())).unwrap_or(usize::MAX);
        let space = Self::unnamed(what, len)?;
        if variables.is_empty() {
            return Ok(space);
        }
        let observed = vec![false; variables.len()];
        Ok(Self { names: Names::Product { variables, observed, all: OnceLock::new() }, ..space })
    }

    /// Says which variables of a product are always seen. It is no part of what makes two spaces equal, and text formats other
    /// than POMDPX do not keep it; solvers find what is always known by themselves
    /// ([`observed_component`](crate::observed_component)).
    #[must_use]
    pub fn with_observed(mut self, seen: &[bool]) -> Self {
        if let Names::Product { observed, .. } = &mut self.names {
            observed.clone_from_slice(seen);
        }
        self
    }

    /// The elements as pairs of a value of the observed variables together and one of the others together, each numbered with the
    /// last variable changing fastest; `None` when no variable is said to be observed.
    pub fn observed_and_hidden(&self) -> Option<Vec<(u32, u32)>> {
        let Names::Product { variables, observed, .. } = &self.names else { return None };
        if !observed.contains(&true) {
            return None;
        }
        let pair = |mut element: usize| {
            let (mut pair, mut strides) = ([0, 0], [1, 1]);
            for (values, &observed) in variables.iter().zip(observed).rev() {
                let side = usize::from(!observed);
                pair[side] += element % values.len() * strides[side];
                strides[side] *= values.len();
                element /= values.len();
            }
            (pair[0] as u32, pair[1] as u32)
        };
        Some((0..self.len).map(pair).collect())
    }

    /// Bytes that the names take.
    pub(crate) fn bytes(&self) -> usize {
        self.names.bytes()
    }

    /// Number of elements, at least 1.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The name of element `i`, or its number.
    pub fn name(&self, i: usize) -> String {
        match &self.names {
            Names::Numbers => i.to_string(),
            Names::List(names) => names[i].clone(),
            Names::Product { variables, .. } => {
                let mut rest = i;
                let mut values: Vec<&str> = Vec::with_capacity(variables.len());
                for variable in variables.iter().rev() {
                    values.push(&variable[rest % variable.len()]);
                    rest /= variable.len();
                }
                values.reverse();
                values.join(",")
            }
        }
    }

    /// The names, when the elements have any.
    pub fn names(&self) -> Option<&[String]> {
        match &self.names {
            Names::Numbers => None,
            Names::List(names) => Some(names),
            Names::Product { all, .. } => Some(all.get_or_init(|| (0..self.len).map(|i| self.name(i)).collect())),
        }
    }

    /// The element that `name` names: by its name, or by its number in decimal.
    pub fn index(&self, name: &str) -> Option<usize> {
        let by_name = match &self.names {
            Names::Numbers => None,
            Names::List(names) => names.iter().position(|n| n == name),
            Names::Product { variables, .. } => {
                let mut values = name.split(',');
                let index = variables.iter().try_fold(0, |index, variable| {
                    let value = values.next()?;
                    Some(index * variable.len() + variable.iter().position(|v| v == value)?)
                });
                index.filter(|_| values.next().is_none())
            }
        };
        by_name.or_else(|| name.parse().ok().filter(|&i| i < self.len))
    }
}
