//! The document as it stands in its file (`tiresias.family/1`), before anything in it is understood.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::family::Regime;

/// The value of a document's `schema` field.
pub(super) const SCHEMA: &str = "tiresias.family/1";

/// A number, or an expression that gives one.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub(super) enum Value {
    Number(f64),
    Expression(#[cfg_attr(test, schemars(length(min = 1, max = 1000)))] String),
}

/// An object of things by name, each name once.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(transparent)]
pub(super) struct ByName<T>(pub BTreeMap<String, T>);

/// Something for all actions, or an object from actions to something; `*` is all others.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub(super) enum ByAction<T> {
    Of(ByName<T>),
    All(T),
}

/// How many there are, or their names.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub(super) enum SpaceText {
    Names(#[cfg_attr(test, schemars(length(min = 1)))] Vec<String>),
    Count(Value),
}

/// A number that tasks have: a value, or a range that it is drawn from; one of `value`, `uniform`, `integer`, `choice`, `normal` and
/// `dirichlet`. With `each`, a list of numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct NumberText {
    /// What expressions call it.
    #[cfg_attr(test, schemars(regex(pattern = "^[A-Za-z][A-Za-z0-9_]*$")))]
    pub name: String,
    /// What indices count, the last fastest, and how far: `["s < n"]` is a number for each s from 0 to n - 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub each: Option<Vec<String>>,
    /// Worked out, not drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// From the first to below the second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(length(equal = 2)))]
    pub uniform: Option<Vec<Value>>,
    /// A whole number from the first to the second, all as likely.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(length(equal = 2)))]
    pub integer: Option<Vec<Value>>,
    /// One of these, all as likely or by `weights`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(length(min = 1)))]
    pub choice: Option<Vec<Value>>,
    /// Of the numbers in `choice`; they need not sum to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<Vec<Value>>,
    /// Mean and standard deviation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(length(equal = 2)))]
    pub normal: Option<Vec<Value>>,
    /// A distribution over so many outcomes: a parameter each, or one parameter for `outcomes` of them. Its outcome is the last index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dirichlet: Option<DirichletText>,
    /// How many outcomes share the one parameter of `dirichlet`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcomes: Option<Value>,
}

/// The parameters of a Dirichlet distribution.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub(super) enum DirichletText {
    Each(#[cfg_attr(test, schemars(length(min = 1)))] Vec<Value>),
    All(Value),
}

/// Where to, and how likely: a part of a distribution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct BranchText {
    /// Where it is there at all; everywhere when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Value>,
    /// Names that count: with `["j < n"]` the branch is there for every j from 0 to n - 1.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub each: Option<Vec<String>>,
    /// The number of the outcome.
    pub to: Value,
    /// Its probability; what the others leave when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<Value>,
}

/// Where rewards lie.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct GridText {
    /// Smallest reward of a step.
    pub low: f64,
    /// Largest reward of a step.
    pub high: f64,
    /// All rewards are multiples of it: 1 divided by a whole number, at least 0.001.
    #[cfg_attr(test, schemars(range(min = 0.001, max = 1)))]
    pub step: f64,
}

/// What sets a split apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct SplitText {
    /// `train`, `test`, `validation` or `ood-…`.
    #[cfg_attr(test, schemars(regex(pattern = "^(train|test|validation|ood-.+)$")))]
    pub name: String,
    /// In words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Decisions of its tasks; `horizon` is what was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub horizon: Option<Value>,
    /// Numbers of the family that have other ranges here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<NumberText>,
}

/// The cloud of models around a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct CloudText {
    /// Drawn once a task, after the task's own numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<NumberText>,
    /// Drawn for each model: a name of the task's is that number in this model, another name is the model's own. What the task works out from
    /// other numbers is worked out again.
    pub model: Vec<NumberText>,
}

/// A family as one document: a model with named numbers, and the ranges that these are drawn from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Text {
    /// Where the JSON Schema of this file is, for editors; not read.
    #[serde(rename = "$schema", default, skip_serializing)]
    #[allow(dead_code)]
    pub json_schema: Option<String>,
    /// The format and its version: `tiresias.family/1`.
    #[cfg_attr(test, schemars(regex(pattern = "^tiresias\\.family/1$")))]
    pub schema: String,
    /// Names the stream of random numbers: a family of another name has other tasks.
    #[cfg_attr(test, schemars(regex(pattern = "^[A-Za-z][A-Za-z0-9._-]*$")))]
    pub name: String,
    /// What it models, in one sentence.
    pub description: String,
    /// Decisions that it is usually trained with.
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub horizon: usize,
    /// Discount factor; 1 when left out.
    #[serde(default = "one")]
    #[cfg_attr(test, schemars(range(min = 0, max = 1)))]
    pub discount: f64,
    /// Where rewards lie.
    pub reward_grid: GridText,
    /// The most things that can be seen in any task, where tasks differ in that: states in an MDP, observations elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(range(min = 1, max = 100_000)))]
    pub max_symbols: Option<usize>,
    /// The regimes that it has tasks of; all that the document has the parts for when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<Vec<RegimeText>>"))]
    pub regimes: Option<Vec<Regime>>,
    /// What tasks differ in, drawn in this order.
    pub numbers: Vec<NumberText>,
    /// `train`, and `test`, `validation` and `ood-…` as wanted.
    pub splits: Vec<SplitText>,
    /// How many states, or their names.
    pub states: SpaceText,
    /// How many actions, or their names; the same in all tasks.
    pub actions: SpaceText,
    /// How many observations, or their names; left out when the state is always seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observations: Option<SpaceText>,
    /// Start distribution; uniform when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Vec<BranchText>>,
    /// The states `s` that absorb without reward: those where this is not 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<Value>,
    /// Where action `a` leads from state `s`.
    pub transition: ByAction<Vec<BranchText>>,
    /// What is seen when action `a` has led to state `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observation: Option<ByAction<Vec<BranchText>>>,
    /// What action `a` earns in state `s`; it may depend on the state `next` that follows, and on what is seen there, `o`.
    pub reward: ByAction<Value>,
    /// Collected in the state `s` that the last decision leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_reward: Option<Value>,
    /// The models that are possible in an APOMDP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud: Option<CloudText>,
}

fn one() -> f64 {
    1.0
}

#[cfg(test)]
#[derive(schemars::JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[allow(dead_code)]
enum RegimeText {
    Mdp,
    Pomdp,
    Apomdp,
}

// By hand, as the library's own would take the last of two fields of one name.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for ByName<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
            type Value = ByName<T>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<ByName<T>, A::Error> {
                let mut fields = BTreeMap::new();
                while let Some((name, value)) = object.next_entry::<String, T>()? {
                    if fields.contains_key(&name) {
                        return Err(de::Error::custom(format!("`{name}` stands twice")));
                    }
                    fields.insert(name, value);
                }
                Ok(ByName(fields))
            }
        }
        deserializer.deserialize_map(Object(PhantomData))
    }
}

/// Reads a value that may have one of several forms of JSON: what these are in words, and what is made of each. An untagged enum of the
/// library's could not say what was expected, nor where.
macro_rules! either {
    ($type:ty, $words:literal, { $($form:ident($value:ident) => $made:expr),+ $(,)? }) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Either;
                impl<'de> Visitor<'de> for Either {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                        f.write_str($words)
                    }

                    $(either!(@$form $value $made);)+
                }
                deserializer.deserialize_any(Either)
            }
        }
    };
    (@number $value:ident $made:expr) => {
        fn visit_f64<E: de::Error>(self, $value: f64) -> Result<Self::Value, E> {
            Ok($made)
        }

        fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
            self.visit_f64(number as f64)
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
            self.visit_f64(number as f64)
        }
    };
    (@text $value:ident $made:expr) => {
        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            let $value = text.to_string();
            Ok($made)
        }
    };
    (@list $value:ident $made:expr) => {
        fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
            let $value = Deserialize::deserialize(SeqAccessDeserializer::new(list))?;
            Ok($made)
        }
    };
    (@object $value:ident $made:expr) => {
        fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Self::Value, A::Error> {
            let $value = Deserialize::deserialize(MapAccessDeserializer::new(object))?;
            Ok($made)
        }
    };
}

either!(Value, "a number or an expression", { number(x) => Value::Number(x), text(x) => Value::Expression(x) });
either!(SpaceText, "a count or a list of names", {
    number(x) => SpaceText::Count(Value::Number(x)),
    text(x) => SpaceText::Count(Value::Expression(x)),
    list(x) => SpaceText::Names(x),
});
either!(DirichletText, "a number, an expression or a list of these", {
    number(x) => DirichletText::All(Value::Number(x)),
    text(x) => DirichletText::All(Value::Expression(x)),
    list(x) => DirichletText::Each(x),
});
either!(ByAction<Value>, "a number, an expression, or an object from actions to these", {
    number(x) => ByAction::All(Value::Number(x)),
    text(x) => ByAction::All(Value::Expression(x)),
    object(x) => ByAction::Of(x),
});
either!(ByAction<Vec<BranchText>>, "a list of branches, or an object from actions to such lists", {
    list(x) => ByAction::All(x),
    object(x) => ByAction::Of(x),
});

#[cfg(test)]
mod tests {
    /// The published schema is made from the types that read the file. `TIRESIAS_WRITE_SCHEMA=1 cargo test -p tiresias-model` writes it anew.
    #[test]
    fn the_published_schema_is_the_one_that_is_read() {
        let mut schema = schemars::schema_for!(super::Text);
        schema.insert("title".into(), "A tiresias.family/1 document".into());
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/family.schema.json");
        if std::env::var_os("TIRESIAS_WRITE_SCHEMA").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), text);
    }
}
