//! The arithmetic in a document: numbers, names, operators and a few functions. It has no statements, no loops and no names of its own,
//! so that every expression ends after as many operations as it has characters at most.

use winnow::Parser;
use winnow::ascii::{float, multispace0};
use winnow::combinator::{Infix, Prefix, alt, cut_err, delimited, expression, fail, opt, peek, preceded, separated};
use winnow::error::{ContextError, ErrMode};
use winnow::stream::{LocatingSlice, Location, Stateful};
use winnow::token::{any, one_of, take_while};

/// Characters of an expression at most.
pub(super) const LONGEST: usize = 1000;
/// Parentheses, brackets and calls within one another at most.
const DEEPEST: usize = 32;

/// Functions and how many arguments each takes, at least and at most.
const FUNCTIONS: [(&str, Function, usize, usize); 12] = [
    ("if", Function::If, 3, 3),
    ("min", Function::Min, 1, 16),
    ("max", Function::Max, 1, 16),
    ("clamp", Function::Clamp, 3, 3),
    ("floor", Function::Floor, 1, 1),
    ("ceil", Function::Ceil, 1, 1),
    ("round", Function::Round, 1, 1),
    ("abs", Function::Abs, 1, 1),
    ("sqrt", Function::Sqrt, 1, 1),
    ("exp", Function::Exp, 1, 1),
    ("log", Function::Log, 1, 1),
    ("sign", Function::Sign, 1, 1),
];

/// Whether a word is a function's, and so no number's.
pub(super) fn is_function(name: &str) -> bool {
    FUNCTIONS.iter().any(|(word, ..)| *word == name)
}

/// Whether a word may be a name: a letter, then letters, digits and `_`.
pub(super) fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic()) && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    If,
    Min,
    Max,
    Clamp,
    Floor,
    Ceil,
    Round,
    Abs,
    Sqrt,
    Exp,
    Log,
    Sign,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    Unequal,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
}

/// An expression; `N` is what stands for a name: the word and its place, and then what it was found to be.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Tree<N> {
    Number(f64),
    Name(N),
    /// An entry of a list of numbers.
    Entry(N, Vec<Tree<N>>),
    Negative(Box<Tree<N>>),
    Not(Box<Tree<N>>),
    Binary(Operator, Box<[Tree<N>; 2]>),
    Call(Function, Vec<Tree<N>>),
}

/// A name as it stands in a text, and where.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Word {
    pub name: String,
    pub at: usize,
}

/// Why a text is no expression, and at which of its bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Slip {
    pub at: usize,
    pub problem: String,
}

/// What is read, how deep in parentheses, and the first thing that is wrong though it has the form of an expression.
type Input<'t> = Stateful<LocatingSlice<&'t str>, State>;
type Read<T> = Result<T, ErrMode<ContextError>>;

#[derive(Debug, Clone, Default)]
struct State {
    depth: usize,
    slip: Option<Slip>,
    /// The bracket that should have closed what was read last.
    expected: Option<char>,
}

/// Reads an expression. O(characters).
pub(super) fn parse(text: &str) -> Result<Tree<Word>, Slip> {
    if text.len() > LONGEST {
        let problem =
            format!("an expression of {} characters; it may have {LONGEST}: give a part of it a name", text.len());
        return Err(Slip { at: LONGEST, problem });
    }
    let mut input = Input { input: LocatingSlice::new(text), state: State::default() };
    let tree = delimited(multispace0, whole, multispace0).parse_next(&mut input);
    let at = input.current_token_start();
    match (tree, input.state.slip) {
        (_, Some(slip)) => Err(slip),
        (Ok(tree), None) if at == text.len() => Ok(tree),
        (Ok(_), None) => Err(Slip { at, problem: format!("expected an operator, found {}", found(text, at)) }),
        (Err(_), None) => {
            let expected = input.state.expected.map_or("a number, a name or `(`".into(), |close| format!("`{close}`"));
            Err(Slip { at, problem: format!("expected {expected}, found {}", found(text, at)) })
        }
    }
}

fn found(text: &str, at: usize) -> String {
    match text[at..].trim_start().chars().next() {
        Some(c) => format!("`{c}`"),
        None => "the end".into(),
    }
}

/// How an operator binds two operands.
macro_rules! joins {
    ($side:ident, $strength:literal, $operator:ident) => {
        Infix::$side($strength, |_: &mut Input, a, b| Ok(Tree::Binary(Operator::$operator, Box::new([a, b]))))
    };
}

fn whole(input: &mut Input) -> Read<Tree<Word>> {
    let prefix = alt((
        "-".value(Prefix(11, |_: &mut Input, a| Ok(Tree::Negative(Box::new(a))))),
        "!".value(Prefix(11, |_: &mut Input, a| Ok(Tree::Not(Box::new(a))))),
    ));
    let operator = alt((
        alt((
            "||".value(Operator::Or),
            "&&".value(Operator::And),
            "==".value(Operator::Equal),
            "!=".value(Operator::Unequal),
        )),
        alt((
            "<=".value(Operator::LessOrEqual),
            ">=".value(Operator::GreaterOrEqual),
            "<".value(Operator::Less),
            ">".value(Operator::Greater),
        )),
        alt(("+".value(Operator::Add), "-".value(Operator::Subtract))),
        alt((
            "*".value(Operator::Multiply),
            "/".value(Operator::Divide),
            "%".value(Operator::Modulo),
            "^".value(Operator::Power),
        )),
    ));
    let infix = operator.map(|operator| match operator {
        Operator::Or => joins!(Left, 1, Or),
        Operator::And => joins!(Left, 3, And),
        Operator::Equal => joins!(Left, 5, Equal),
        Operator::Unequal => joins!(Left, 5, Unequal),
        Operator::Less => joins!(Left, 5, Less),
        Operator::LessOrEqual => joins!(Left, 5, LessOrEqual),
        Operator::Greater => joins!(Left, 5, Greater),
        Operator::GreaterOrEqual => joins!(Left, 5, GreaterOrEqual),
        Operator::Add => joins!(Left, 7, Add),
        Operator::Subtract => joins!(Left, 7, Subtract),
        Operator::Multiply => joins!(Left, 9, Multiply),
        Operator::Divide => joins!(Left, 9, Divide),
        Operator::Modulo => joins!(Left, 9, Modulo),
        // Above the signs: -x^2 is -(x^2).
        Operator::Power => joins!(Right, 13, Power),
    });
    let spaced = |input: &mut Input| multispace0.void().parse_next(input);
    // What begins with no operand begins with a sign, or is none.
    expression(preceded(spaced, operand))
        .prefix(preceded(spaced, cut_err(prefix)))
        .infix(preceded(spaced, infix))
        .parse_next(input)
}

fn operand(input: &mut Input) -> Read<Tree<Word>> {
    match peek(any).parse_next(input)? {
        '(' => within('(', ')', whole).parse_next(input),
        c if c.is_ascii_digit() || c == '.' => float.map(Tree::Number).parse_next(input),
        c if c.is_ascii_alphabetic() => named(input),
        _ => fail.parse_next(input),
    }
}

/// A name, an entry of a list of numbers, or a function's value.
fn named(input: &mut Input) -> Read<Tree<Word>> {
    let at = input.current_token_start();
    let name = take_while(1.., |c: char| c.is_ascii_alphanumeric() || c == '_').parse_next(input)?.to_string();
    let word = |name| Word { name, at };
    match opt(preceded(multispace0, peek(one_of(['(', '['])))).parse_next(input)? {
        Some('(') => {
            multispace0.parse_next(input)?;
            let arguments = within('(', ')', several).parse_next(input)?;
            let slip = match FUNCTIONS.iter().find(|(word, ..)| *word == name) {
                Some((_, function, least, most)) if (*least..=*most).contains(&arguments.len()) => {
                    return Ok(Tree::Call(*function, arguments));
                }
                Some((_, _, least, most)) => {
                    let expected = if least == most { least.to_string() } else { format!("{least} to {most}") };
                    format!("`{name}` takes {expected} arguments, found {}", arguments.len())
                }
                None => {
                    let words: Vec<_> = FUNCTIONS.iter().map(|(word, ..)| *word).collect();
                    format!("`{name}` is no function; there are {}", words.join(", "))
                }
            };
            refuse(input, Slip { at, problem: slip })
        }
        Some(_) => {
            multispace0.parse_next(input)?;
            Ok(Tree::Entry(word(name), within('[', ']', several).parse_next(input)?))
        }
        None => Ok(Tree::Name(word(name))),
    }
}

fn several(input: &mut Input) -> Read<Vec<Tree<Word>>> {
    separated(1.., whole, preceded(multispace0, ',')).parse_next(input)
}

/// What stands between two brackets, which may lie in one another only so deep.
fn within<'t, T>(
    mut open: char,
    close: char,
    mut inner: impl FnMut(&mut Input<'t>) -> Read<T>,
) -> impl FnMut(&mut Input<'t>) -> Read<T> {
    move |input| {
        let at = input.current_token_start();
        open.parse_next(input)?;
        if input.state.depth == DEEPEST {
            let problem = format!("more than {DEEPEST} brackets lie in one another: give a part of it a name");
            return refuse(input, Slip { at, problem });
        }
        input.state.depth += 1;
        let value = inner(input)?;
        input.state.depth -= 1;
        input.state.expected = Some(close);
        cut_err(preceded(multispace0, close)).void().parse_next(input)?;
        input.state.expected = None;
        Ok(value)
    }
}

fn refuse<T>(input: &mut Input, slip: Slip) -> Read<T> {
    input.state.slip.get_or_insert(slip);
    cut_err(fail).parse_next(input)
}

/// Where the value of a name is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A number, or what a loop counts.
    Slot(usize),
    /// A list of numbers.
    List(usize),
}

/// An expression whose names are known.
pub(super) type Expression = Tree<Place>;

/// The numbers that expressions are about.
#[derive(Debug, Clone, Default)]
pub(super) struct Values {
    pub slots: Vec<f64>,
    pub lists: Vec<List>,
}

/// Numbers in rows, the last index changing fastest.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct List {
    pub sizes: Vec<usize>,
    pub values: Vec<f64>,
}

impl<N: Clone> Tree<N> {
    /// The same with every name replaced.
    pub fn replaced<M, E>(&self, name: &mut impl FnMut(&N, Option<usize>) -> Result<M, E>) -> Result<Tree<M>, E> {
        Ok(match self {
            Tree::Number(value) => Tree::Number(*value),
            Tree::Name(own) => Tree::Name(name(own, None)?),
            Tree::Entry(own, indices) => Tree::Entry(name(own, Some(indices.len()))?, all_replaced(indices, name)?),
            Tree::Negative(inner) => Tree::Negative(Box::new(inner.replaced(name)?)),
            Tree::Not(inner) => Tree::Not(Box::new(inner.replaced(name)?)),
            Tree::Binary(operator, sides) => {
                Tree::Binary(*operator, Box::new([sides[0].replaced(name)?, sides[1].replaced(name)?]))
            }
            Tree::Call(function, arguments) => Tree::Call(*function, all_replaced(arguments, name)?),
        })
    }

    /// Calls `each` with every name.
    pub fn each_name(&self, each: &mut impl FnMut(&N)) {
        // What it replaces names by has no place to go wrong in.
        let _: Result<Tree<()>, ()> = self.replaced(&mut |name, _| {
            each(name);
            Ok(())
        });
    }
}

fn all_replaced<N: Clone, M, E>(
    trees: &[Tree<N>],
    name: &mut impl FnMut(&N, Option<usize>) -> Result<M, E>,
) -> Result<Vec<Tree<M>>, E> {
    trees.iter().map(|tree| tree.replaced(name)).collect()
}

/// Why an expression has no value: what was asked for lies outside of a list. Behind a pointer, since nearly all have one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outside(String);

impl From<&str> for Box<Outside> {
    fn from(problem: &str) -> Self {
        Self::new(Outside(problem.into()))
    }
}

impl From<Box<Outside>> for String {
    fn from(outside: Box<Outside>) -> Self {
        outside.0
    }
}

impl Expression {
    /// Its value, which may be infinite or no number; truth is 1 and what is not 0. The error says which index lies outside its list.
    pub fn value(&self, values: &Values) -> Result<f64, Box<Outside>> {
        let truth = |holds: bool| Ok(f64::from(u8::from(holds)));
        Ok(match self {
            Tree::Number(value) => *value,
            Tree::Name(Place::Slot(slot)) => values.slots[*slot],
            Tree::Name(Place::List(_)) => return Err("a list of numbers where one of them is wanted".into()),
            Tree::Entry(Place::List(list), indices) => return values.lists[*list].entry(indices, values),
            Tree::Entry(Place::Slot(_), _) => return Err("one number has no entries".into()),
            Tree::Negative(inner) => -inner.value(values)?,
            Tree::Not(inner) => return truth(inner.value(values)? == 0.0),
            Tree::Binary(operator, sides) => {
                let a = sides[0].value(values)?;
                match operator {
                    // What is decided already is not looked at.
                    Operator::And if a == 0.0 => return Ok(0.0),
                    Operator::Or if a != 0.0 => return Ok(1.0),
                    _ => {}
                }
                let b = sides[1].value(values)?;
                match operator {
                    Operator::Or | Operator::And => return truth(b != 0.0),
                    Operator::Less => return truth(a < b),
                    Operator::LessOrEqual => return truth(a <= b),
                    Operator::Greater => return truth(a > b),
                    Operator::GreaterOrEqual => return truth(a >= b),
                    Operator::Equal => return truth(a == b),
                    Operator::Unequal => return truth(a != b),
                    Operator::Add => a + b,
                    Operator::Subtract => a - b,
                    Operator::Multiply => a * b,
                    Operator::Divide => a / b,
                    Operator::Modulo => a.rem_euclid(b),
                    Operator::Power => a.powf(b),
                }
            }
            Tree::Call(Function::If, arguments) => {
                return arguments[if arguments[0].value(values)? == 0.0 { 2 } else { 1 }].value(values);
            }
            Tree::Call(function, arguments) => {
                let first = arguments[0].value(values)?;
                let mut others = arguments[1..].iter().map(|argument| argument.value(values));
                match function {
                    Function::If => unreachable!("an arm of its own"),
                    Function::Min => others.try_fold(first, |least, other| Ok::<_, Box<Outside>>(least.min(other?)))?,
                    Function::Max => others.try_fold(first, |most, other| Ok::<_, Box<Outside>>(most.max(other?)))?,
                    Function::Clamp => first.max(arguments[1].value(values)?).min(arguments[2].value(values)?),
                    Function::Floor => first.floor(),
                    Function::Ceil => first.ceil(),
                    Function::Round => first.round(),
                    Function::Abs => first.abs(),
                    Function::Sqrt => first.sqrt(),
                    Function::Exp => first.exp(),
                    Function::Log => first.ln(),
                    Function::Sign => {
                        if first == 0.0 {
                            0.0
                        } else {
                            first.signum()
                        }
                    }
                }
            }
        })
    }
}

impl List {
    fn entry(&self, indices: &[Expression], values: &Values) -> Result<f64, Box<Outside>> {
        let mut at = 0;
        for (i, (index, &size)) in indices.iter().zip(&self.sizes).enumerate() {
            let index = index.value(values)?;
            if !(index >= 0.0 && index < size as f64 && index.fract() == 0.0) {
                let last = size as f64 - 1.0;
                return Err(format!("index {i} of a list is {index}, not one of 0 to {last}").as_str().into());
            }
            at = at * size + index as usize;
        }
        Ok(self.values[at])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(text: &str) -> f64 {
        let tree = parse(text).unwrap_or_else(|slip| panic!("{text}: {slip:?}"));
        let values = Values {
            slots: vec![3.0, 4.0],
            lists: vec![List { sizes: vec![2, 3], values: vec![0., 1., 2., 10., 11., 12.] }],
        };
        let place = |word: &Word, _: Option<usize>| match &word.name[..] {
            "x" => Ok(Place::Slot(0)),
            "y" => Ok(Place::Slot(1)),
            "row" => Ok(Place::List(0)),
            other => Err(other.to_string()),
        };
        tree.replaced(&mut { place }).unwrap().value(&values).unwrap()
    }

    #[test]
    fn arithmetic_is_as_in_school() {
        for (text, expected) in [
            ("1 + 2 * 3", 7.0),
            ("(1 + 2) * 3", 9.0),
            ("7 - 2 - 1", 4.0),
            ("8 / 4 / 2", 1.0),
            ("2 ^ 3 ^ 2", 512.0),
            ("-2 ^ 2", -4.0),
            ("2 ^ -1", 0.5),
            ("- - 2", 2.0),
            ("-7 % 3", 2.0),
            ("(-7) % 3", 2.0),
            ("1.5e2 + .5", 150.5),
            (" x*x+y * y ", 25.0),
            ("x < y && y < 5", 1.0),
            ("x > y || x == 3", 1.0),
            ("!(x == 3)", 0.0),
            ("!x", 0.0),
            ("1 + 1 == 2", 1.0),
            ("x != y", 1.0),
            ("3 <= x", 1.0),
            ("if(x >= y, 1, 2)", 2.0),
            ("min(x, y, 1)", 1.0),
            ("max(x, y)", 4.0),
            ("clamp(9, 0, 1)", 1.0),
            ("clamp(-9, 0, 1)", 0.0),
            ("floor(-0.5) + ceil(0.2) + round(2.5)", 3.0),
            ("abs(-x)", 3.0),
            ("sqrt(16)", 4.0),
            ("exp(0) + log(1)", 1.0),
            ("sign(-y) + sign(0)", -1.0),
            ("row[1, 2] - row[0, x - 2]", 11.0),
            ("row [ 1 , 0 ]", 10.0),
            ("0 && row[9, 9]", 0.0),
            ("if(1, x, row[9, 9])", 3.0),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_none_is_told_where() {
        for (text, at, problem) in [
            ("", 0, "expected a number, a name or `(`, found the end"),
            ("1 +", 3, "found the end"),
            ("1 + * 2", 4, "found `*`"),
            ("(1 + 2", 6, "expected `)`"),
            ("1 2", 2, "expected an operator, found `2`"),
            ("x y", 2, "expected an operator"),
            ("1 + )", 4, "found `)`"),
            ("row[1", 5, "expected `]`"),
            ("sin(1)", 0, "`sin` is no function; there are if, min,"),
            ("1 + if(x)", 4, "`if` takes 3 arguments, found 1"),
            ("min()", 4, "found `)`"),
            ("x = 1", 2, "found `=`"),
            ("é", 0, "found `é`"),
            ("\"x\"", 0, "found `\"`"),
            ("x; y", 1, "found `;`"),
        ] {
            let slip = parse(text).unwrap_err();
            assert!(slip.at == at && slip.problem.contains(problem), "{text}: {slip:?}");
        }
        let deep = format!("{}1{}", "(".repeat(33), ")".repeat(33));
        assert!(parse(&deep).unwrap_err().problem.contains("32 brackets"));
        assert!(parse(&deep[1..deep.len() - 1]).is_ok());
        assert!(parse(&"1+".repeat(501)).unwrap_err().problem.contains("1002 characters"));
        assert!(parse(&format!("{}1", "-".repeat(999))).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever is written is an expression or an error at a place in it, and a value ends.
        #[test]
        fn any_text_is_answered(text in "[-+*/%^!<>=&|(),.0-9a-z\\[\\] é]{0,60}") {
            match parse(&text) {
                Ok(tree) => {
                    let known: Result<Expression, ()> = tree.replaced(&mut |_, _| Ok(Place::Slot(0)));
                    let _ = known.unwrap().value(&Values { slots: vec![2.0], lists: Vec::new() });
                }
                Err(slip) => prop_assert!(text.is_char_boundary(slip.at) && !slip.problem.is_empty(), "{:?}", slip),
            }
        }

        /// A sum of products is what this language's own arithmetic says.
        #[test]
        fn sums_of_products_are_rusts(numbers in prop::collection::vec((-1e3..1e3f64, -1e3..1e3f64), 1..8)) {
            let text = numbers.iter().map(|(a, b)| format!("({a:?} * {b:?})")).collect::<Vec<_>>().join(" + ");
            let expected = numbers.iter().map(|(a, b)| a * b).reduce(|a, b| a + b).unwrap();
            prop_assert_eq!(value(&text), expected);
        }
    }
}
