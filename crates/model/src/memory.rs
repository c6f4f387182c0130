//! How much memory may be asked for, asked before anything is allocated: an allocation that fails ends the process.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use thiserror::Error;

/// Something that would not fit: nothing was allocated.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what} would take at least {}, and there are {} of memory; {advice}", size(*.needed), size(*.available))]
pub struct Shortage {
    /// What was asked for, in words.
    pub what: String,
    /// Bytes that it needs at least.
    pub needed: usize,
    /// Bytes that this process may have, at most.
    pub available: usize,
    /// What would make it smaller.
    pub advice: String,
}

/// Below this nothing is looked up: so much there always is.
const SMALL: usize = 16 << 20;

/// Checks that `needed` bytes may be asked for; `what` and `advice` tell the caller what needs them and what lowers it. Counts that
/// overflow are `usize::MAX`: multiply by [`product`].
pub fn check(needed: usize, what: impl FnOnce() -> String, advice: &str) -> Result<(), Shortage> {
    if needed <= SMALL {
        return Ok(());
    }
    let available = available();
    if needed <= available { Ok(()) } else { Err(Shortage { what: what(), needed, available, advice: advice.into() }) }
}

/// The product of counts, `usize::MAX` where it overflows.
pub fn product(counts: &[usize]) -> usize {
    counts.iter().fold(1, |product, &count| product.saturating_mul(count))
}

/// Bytes that this process may hold in all: the least of the machine's memory and of the limits of the control groups (version 1 or
/// 2) that it runs in, such as a container's. Looked up once.
pub fn limit() -> usize {
    static LIMIT: OnceLock<usize> = OnceLock::new();
    *LIMIT.get_or_init(|| group_limit(Path::new("/")).unwrap_or(usize::MAX).min(machine(sysinfo::System::total_memory)))
}

/// Bytes that may still be asked for: what the machine has to spare, and what is left below the tightest limit of a control group.
pub fn available() -> usize {
    limit().min(machine(sysinfo::System::available_memory)).min(group_spare(Path::new("/")).unwrap_or(usize::MAX))
}

/// A figure of the machine's memory; as much as can be named where the system does not tell.
fn machine(figure: fn(&sysinfo::System) -> u64) -> usize {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    match usize::try_from(figure(&system)) {
        Ok(bytes) if bytes > 0 => bytes,
        _ => usize::MAX,
    }
}

/// The folders of the control groups of memory that the process is in, from its own up, with the names of their files.
fn groups(root: &Path) -> Vec<(PathBuf, &'static str, &'static str)> {
    let Ok(text) = std::fs::read_to_string(root.join("proc/self/cgroup")) else { return Vec::new() };
    let mut folders = Vec::new();
    for line in text.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (base, limit, usage) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max", "memory.current"),
            v1 if v1.split(',').any(|controller| controller == "memory") => {
                ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes")
            }
            _ => continue,
        };
        // Inside a container the path may be the host's, of which only the last part is to be seen: its own root is among the folders.
        let base = root.join(base);
        let own = base.join(path.trim_start_matches('/'));
        let within = own.ancestors().filter(|folder| folder.starts_with(&base)).map(Path::to_path_buf);
        folders.extend(within.map(|folder| (folder, limit, usage)));
    }
    folders
}

/// A file that holds one number; `None` for `max` and where there is no file.
fn number(path: &Path) -> Option<usize> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn group_limit(root: &Path) -> Option<usize> {
    groups(root).into_iter().filter_map(|(folder, limit, _)| number(&folder.join(limit))).min()
}

/// What is left in the group that has least: its limit, less what it uses and could not give back.
fn group_spare(root: &Path) -> Option<usize> {
    let spare = |(folder, limit, usage): (PathBuf, &str, &str)| {
        let used = number(&folder.join(usage))?;
        let cached = std::fs::read_to_string(folder.join("memory.stat")).ok();
        let cached = cached.and_then(|text| {
            let line = text.lines().find_map(|line| {
                line.strip_prefix("total_inactive_file ").or_else(|| line.strip_prefix("inactive_file "))
            });
            line?.trim().parse::<usize>().ok()
        });
        Some(number(&folder.join(limit))?.saturating_sub(used.saturating_sub(cached.unwrap_or(0))))
    };
    groups(root).into_iter().filter_map(spare).min()
}

/// A number of bytes for people.
fn size(bytes: usize) -> String {
    if bytes == usize::MAX {
        return "more than 2^63 bytes".into();
    }
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} bytes") } else { format!("{value:.1} {}", units[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn the_tightest_group_of_version_2_decides() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "proc/self/cgroup", "0::/outer/inner\n");
        write(root.path(), "sys/fs/cgroup/outer/memory.max", "1000000\n");
        write(root.path(), "sys/fs/cgroup/outer/memory.current", "900000\n");
        write(root.path(), "sys/fs/cgroup/outer/memory.stat", "anon 1\ninactive_file 50000\n");
        write(root.path(), "sys/fs/cgroup/outer/inner/memory.max", "max\n");
        write(root.path(), "sys/fs/cgroup/outer/inner/memory.current", "900000\n");
        assert_eq!(group_limit(root.path()), Some(1_000_000));
        assert_eq!(group_spare(root.path()), Some(150_000));
    }

    #[test]
    fn version_1_within_a_container_is_found_at_its_root() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "proc/self/cgroup", "5:cpu:/x\n4:memory:/docker/abc\n");
        write(root.path(), "sys/fs/cgroup/memory/memory.limit_in_bytes", "2000\n");
        write(root.path(), "sys/fs/cgroup/memory/memory.usage_in_bytes", "500\n");
        assert_eq!((group_limit(root.path()), group_spare(root.path())), (Some(2000), Some(1500)));
    }

    #[test]
    fn no_group_is_no_limit() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "proc/self/cgroup", "0::/\n");
        assert_eq!((group_limit(root.path()), group_spare(root.path())), (None, None));
        assert_eq!(group_limit(&root.path().join("nothing")), None);
    }

    #[test]
    fn what_is_more_than_there_is_says_so() {
        assert!(limit() > SMALL && available() <= limit());
        let error = check(usize::MAX - 1, || "a wish".into(), "wish for less").unwrap_err();
        assert!(error.to_string().starts_with("a wish would take at least "), "{error}");
        assert!(error.to_string().ends_with("; wish for less"), "{error}");
        assert_eq!(product(&[1 << 40, 1 << 40]), usize::MAX);
        assert!(check(1024, || unreachable!(), "").is_ok());
    }
}
