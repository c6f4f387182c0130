//! Which vectors go on with which, so that none is lost that another one needs.
//!
//! A vector is the value of an action followed, after each observation, by another vector. Its policy earns that only as long as
//! the other one, or one above it everywhere, is there to be followed: to be best at no belief of the graph is no reason to go. So
//! a vector that is dropped from the comparisons retires, and comes back when the search ends, unless one that stays is above it
//! everywhere, or nothing goes on with it any more. A new vector goes on with older ones, so counting finds nearly all that is not
//! needed.

use rustc_hash::FxHashMap;

/// Vectors by number, in the order in which they were made.
#[derive(Default)]
pub(super) struct Lineage {
    /// By vector: those that go on with it, and 1 while it is compared or is to stay in any case.
    needed: Vec<u32>,
    /// By vector: those that it goes on with, each once.
    follows: Vec<Box<[u32]>>,
    retired: FxHashMap<u32, Retired>,
    /// What the lists and the retired vectors take.
    bytes: usize,
}

/// A vector that is not compared any more.
pub(super) struct Retired {
    /// Where it belongs.
    pub stage: usize,
    pub cell: usize,
    pub action: u32,
    pub vector: Vec<f64>,
}

impl Lineage {
    /// The numbers of so many vectors of which nothing is known, and which therefore stay.
    pub fn adopt(&mut self, count: usize) -> Vec<u32> {
        let first = self.needed.len() as u32;
        for _ in 0..count {
            // Once while they are compared, once for good.
            self.needed.push(2);
            self.follows.push(Box::default());
        }
        (first..first + count as u32).collect()
    }

    /// The number of a new vector that goes on with `follows`.
    pub fn add(&mut self, mut follows: Vec<u32>) -> u32 {
        follows.sort_unstable();
        follows.dedup();
        follows.iter().for_each(|&next| self.needed[next as usize] += 1);
        self.bytes += 4 * follows.len();
        self.follows.push(follows.into());
        self.needed.push(1);
        self.needed.len() as u32 - 1
    }

    /// Has a vector stay for good: others that do go on with it.
    pub fn keep(&mut self, number: u32) {
        self.needed[number as usize] += 1;
    }

    /// Whether others go on with a vector that is compared.
    pub fn is_needed(&self, number: u32) -> bool {
        self.needed[number as usize] > 1
    }

    /// Keeps a vector that is needed but compared no more.
    pub fn retire(&mut self, number: u32, vector: Retired) {
        self.bytes += size_of::<Retired>() + 8 * vector.vector.len();
        self.retired.insert(number, vector);
        self.drop(number);
    }

    /// Forgets a vector that is compared no more: what needs it does with one that is nowhere below it.
    pub fn replace(&mut self, number: u32, above: u32) {
        self.needed[above as usize] += 1;
        self.bytes += 4;
        let follows = std::mem::replace(&mut self.follows[number as usize], Box::new([above]));
        self.bytes -= 4 * follows.len();
        follows.iter().for_each(|&next| self.drop(next));
        self.drop(number);
    }

    /// Notes that a vector is needed once less, and forgets all that is not needed any more.
    pub fn drop(&mut self, number: u32) {
        let mut open = vec![number];
        // Ends: a vector comes here once for each that goes on with it, and those are forgotten with it.
        while let Some(number) = open.pop() {
            self.needed[number as usize] -= 1;
            if self.needed[number as usize] > 0 {
                continue;
            }
            if let Some(gone) = self.retired.remove(&number) {
                self.bytes -= size_of::<Retired>() + 8 * gone.vector.len();
            }
            let follows = std::mem::take(&mut self.follows[number as usize]);
            self.bytes -= 4 * follows.len();
            open.extend(follows);
        }
    }

    /// Those that have retired and are needed, the oldest first.
    pub fn recall(&mut self) -> impl Iterator<Item = Retired> + use<> {
        let mut retired: Vec<(u32, Retired)> = std::mem::take(&mut self.retired).into_iter().collect();
        retired.sort_unstable_by_key(|entry| entry.0);
        retired.into_iter().map(|(_, vector)| vector)
    }

    /// What it holds.
    pub fn bytes(&self) -> usize {
        self.bytes + (4 + size_of::<Box<[u32]>>()) * self.needed.len()
    }
}

#[cfg(test)]
mod tests {
    use super::{Lineage, Retired};

    #[test]
    fn what_another_goes_on_with_stays_and_no_longer() {
        let mut lineage = Lineage::default();
        let first = lineage.adopt(1)[0];
        let old = lineage.add(vec![first]);
        let middle = lineage.add(vec![old, first, old]);
        let new = lineage.add(vec![middle]);
        let retire = |lineage: &mut Lineage, number: u32| {
            assert!(lineage.is_needed(number));
            lineage.retire(number, Retired { stage: 0, cell: 0, action: number, vector: vec![f64::from(number)] });
        };
        let known = |lineage: &Lineage| {
            let mut numbers: Vec<u32> = lineage.retired.keys().copied().collect();
            numbers.sort_unstable();
            numbers
        };
        retire(&mut lineage, first);
        retire(&mut lineage, old);
        retire(&mut lineage, middle);
        assert_eq!(known(&lineage), [first, old, middle]);
        // Nothing goes on with the new one; when it goes, all go that were there for it, but not the first.
        assert!(!lineage.is_needed(new));
        lineage.drop(new);
        assert_eq!(known(&lineage), [first]);
        assert_eq!(lineage.bytes(), size_of::<Retired>() + 8 + 20 * 4);
        // What another one stands for goes, with all that was there for it, and the other one stays.
        let [old, new] = [vec![first], vec![first]].map(|follows| lineage.add(follows));
        let user = lineage.add(vec![old]);
        lineage.replace(old, new);
        assert!(lineage.is_needed(new));
        lineage.drop(user);
        assert!(!lineage.is_needed(new));
        assert_eq!(lineage.recall().map(|vector| vector.action).collect::<Vec<_>>(), [first]);
    }
}
