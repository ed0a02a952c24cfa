//! What memory a process has, by what it is for.

use super::super::report::{Rows, Unit};

/// Tells the resident memory of a process, and what takes it: the program and its libraries as far
/// as they were read from their files, and what is anonymous, which is the heap and the stacks.
pub fn memory(rows: &mut Rows, name: &str, pid: u32) {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap_or_default();
    let parts = parts(&text);
    let megabytes = |kibibytes: u64| kibibytes as f64 * 1_024.0 / 1e6;
    let mut row = |what: &str, kibibytes| {
        let name = format!("{name}{what}");
        rows.median(&name, megabytes(kibibytes), Unit::Megabytes);
    };
    row("", parts.program + parts.anonymous + parts.stacks);
    row(": program and libraries", parts.program);
    row(": heap", parts.anonymous);
    row(": the main thread's stack", parts.stacks);
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Parts {
    program: u64,
    anonymous: u64,
    stacks: u64,
}

/// From the lines of `smaps`, in kibibytes.
fn parts(text: &str) -> Parts {
    let mut parts = Parts::default();
    let mut file = "";
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let first = words.next().unwrap_or_default();
        if !first.ends_with(':') {
            // addresses, rights, offset, device, inode, name
            file = words.nth(4).unwrap_or_default();
        } else if first == "Rss:" {
            let size: u64 = words.next().and_then(|text| text.parse().ok()).unwrap_or(0);
            match file {
                "[stack]" => parts.stacks += size,
                file if file.starts_with('/') => parts.program += size,
                _ => parts.anonymous += size,
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_by_what_it_is_for() {
        let text = "\
55d0-55d1 r-xp 00000000 fe:00 77 /usr/bin/metrics
Size: 4 kB
Rss:  100 kB
7f00-7f01 rw-p 00000000 00:00 0
Rss:  2000 kB
7ffd-7ffe rw-p 00000000 00:00 0 [stack]
Rss:  30 kB
";

        let expected = Parts {
            program: 100,
            anonymous: 2_000,
            stacks: 30,
        };
        assert_eq!(parts(text), expected);
    }
}
