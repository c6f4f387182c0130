//! What a value weighs, by what it writes of itself: every field that a policy file holds is counted, with nothing to be kept in step.

use std::fmt::Display;

use serde::ser::{self, Serialize, Serializer};

/// Bytes of all numbers and texts in `value`, and of a pointer and a length for each list.
pub(crate) fn of(value: &impl Serialize) -> usize {
    let mut scale = Scale(0);
    match value.serialize(&mut scale) {
        Ok(()) => scale.0,
        // Counting does not fail; what refuses to be written says so where it is saved.
        Err(Refused) => 0,
    }
}

struct Scale(usize);

/// A type's own refusal to be written.
#[derive(Debug)]
struct Refused;

impl Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("refused")
    }
}

impl std::error::Error for Refused {}

impl ser::Error for Refused {
    fn custom<T: Display>(_: T) -> Self {
        Self
    }
}

/// A pointer, a length and a capacity.
const LIST: usize = 24;

macro_rules! numbers {
    ($($name:ident: $type:ty),*) => { $(
        fn $name(self, _: $type) -> Result<(), Refused> {
            self.0 += size_of::<$type>();
            Ok(())
        }
    )* };
}

impl Serializer for &mut Scale {
    type Ok = ();
    type Error = Refused;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    numbers!(serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
             serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
             serialize_f32: f32, serialize_f64: f64, serialize_char: char);

    fn serialize_str(self, text: &str) -> Result<(), Refused> {
        self.0 += LIST + text.len();
        Ok(())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Refused> {
        self.0 += LIST + bytes.len();
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Refused> {
        Ok(())
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<(), Refused> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Refused> {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Refused> {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<(), Refused> {
        self.0 += 1;
        Ok(())
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(self, _: &'static str, value: &T) -> Result<(), Refused> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Refused> {
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Refused> {
        self.0 += LIST;
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Refused> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Refused> {
        Ok(self)
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Self, Refused> {
        Ok(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, Refused> {
        self.0 += LIST;
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Refused> {
        Ok(self)
    }

    fn serialize_struct_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Self, Refused> {
        Ok(self)
    }
}

/// Parts of a whole weigh what they weigh alone.
macro_rules! parts {
    ($($trait:ident: $($method:ident($($name:ty)?)),*);*) => { $(
        impl ser::$trait for &mut Scale {
            type Ok = ();
            type Error = Refused;

            $(fn $method<T: ?Sized + Serialize>(&mut self, $(_: $name,)? value: &T) -> Result<(), Refused> {
                value.serialize(&mut **self)
            })*

            fn end(self) -> Result<(), Refused> {
                Ok(())
            }
        }
    )* };
}

parts!(
    SerializeSeq: serialize_element();
    SerializeTuple: serialize_element();
    SerializeTupleStruct: serialize_field();
    SerializeTupleVariant: serialize_field();
    SerializeMap: serialize_key(), serialize_value();
    SerializeStruct: serialize_field(&'static str);
    SerializeStructVariant: serialize_field(&'static str)
);

#[cfg(test)]
mod tests {
    use super::of;

    #[derive(serde::Serialize)]
    struct Whole {
        numbers: Vec<f64>,
        rows: Vec<Vec<u32>>,
        name: Option<String>,
    }

    #[test]
    fn every_number_of_every_list_counts() {
        let whole = Whole { numbers: vec![0.0; 1000], rows: vec![vec![0; 10]; 5], name: Some("four".into()) };
        assert_eq!(of(&whole), 24 + 8000 + 24 + 5 * (24 + 40) + 24 + 4);
    }
}
