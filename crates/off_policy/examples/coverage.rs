//! How often intervals cover the value, by estimator and number of episodes: the table of docs/off-policy.md.

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/common/repeated.rs"]
mod repeated;

use repeated::coverage;
use tiresias_off_policy::{Behaviour, Interval, Options};

fn main() {
    let estimated = Behaviour::Estimated { smoothing: 0.0, stages: None };
    for (behaviour, interval) in
        [(Behaviour::Auto, Interval::Bca), (Behaviour::Auto, Interval::Percentile), (estimated, Interval::Bca)]
    {
        println!("{behaviour:?}, {interval:?}");
        for episodes in [25, 50, 100, 200, 400, 1000] {
            print!("{episodes}:");
            for (estimator, share, refused) in
                coverage(episodes, 2000, &Options { interval, behaviour, ..Options::default() })
            {
                print!(" {} {:.1} ({refused})", estimator.name(), 100.0 * share);
            }
            println!();
        }
    }
}
