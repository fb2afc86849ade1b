//! Memory that the process does not need, back to the system; and none of it into the swap.

use std::ffi::c_void;
use std::sync::OnceLock;
use std::{fs, io, ptr};

/// So much free memory at its end a heap keeps, in bytes.
#[cfg(target_env = "gnu")]
const KEPT: libc::c_int = 256 * 1024;

/// Has each heap give back what is free at its end. The allocator would keep as much as the largest pieces that were
/// ever freed: after a large configuration was read, megabytes for each thread that read one, which [`give_back`] does
/// not reach.
#[allow(unsafe_code)]
pub(crate) fn keep_little() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes no pointer, and changes a number of the allocator.
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
    }
}

/// What is mapped of the program and its libraries, and cannot change: start and length.
static TEXT: OnceLock<Vec<(usize, usize)>> = OnceLock::new();

/// Finds what [`give_back`] may give back of the program. To be called while there is no other thread, that could map
/// something else meanwhile.
pub(crate) fn find_text() {
    let mappings = fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    TEXT.get_or_init(|| unchanged(&mappings));
}

/// Gives back what was freed, and what only a start or a reload touches of the program and its libraries: a configuration
/// that was read leaves ten times its size behind, which the allocator keeps for whoever asks next, and half of the
/// program's text. Takes milliseconds.
#[allow(unsafe_code)]
pub(crate) fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes no pointer, and may be called at any time by any thread.
    unsafe {
        libc::malloc_trim(0);
    }
    // A debugger may have written into it since.
    let now = unchanged(&fs::read_to_string("/proc/self/smaps").unwrap_or_default());
    for (start, length) in TEXT.get().into_iter().flatten().filter(|mapping| now.contains(mapping)) {
        // It fails for what is locked in memory, which stays.
        // SAFETY: what the loader mapped there at the start stays mapped as long as the process lives. It is read-only,
        // and no page of it differs from its file: one that is needed is read again, which nobody can tell.
        unsafe {
            libc::madvise(ptr::without_provenance_mut::<c_void>(*start), *length, libc::MADV_DONTNEED);
        }
    }
}

/// What is mapped from files, may not be written, and is as it is in the file; from `/proc/self/smaps`.
fn unchanged(smaps: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut current = None;
    for line in smaps.lines() {
        match line.split_once(':') {
            // A mapping's first line has colons in its device only, behind the first blank.
            Some((name, amount)) if !name.contains(' ') => {
                // Relocations are in memory only. (A page may be dirty because its file was written a moment ago.)
                if matches!(name, "Anonymous" | "Swap") && amount.trim() != "0 kB" {
                    current = None;
                }
            }
            _ => found.extend(std::mem::replace(&mut current, read_only(line))),
        }
    }
    found.extend(current);
    found
}

/// Start and length of a mapping of a file that may not be written.
fn read_only(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_ascii_whitespace();
    let (range, rights, file) = (words.next()?, words.next()?, words.nth(3)?);
    let (start, end) = range.split_once('-')?;
    let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    let fits = file.starts_with('/') && matches!(rights, "r--p" | "r-xp");
    fits.then_some((start, end.checked_sub(start)?))
}

/// What the process has touched stays in memory, and what it will touch does.
#[allow(unsafe_code)]
pub(crate) fn stay() -> io::Result<()> {
    // SAFETY: it takes no pointer, and moves nothing.
    let failed = unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE | libc::MCL_ONFAULT) };
    if failed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
55d0c0400000-55d0c0500000 r--p 00000000 fe:00 17                         /usr/sbin/directord
Rss:                 100 kB
Private_Clean:       100 kB
Private_Dirty:         0 kB
Anonymous:             0 kB
55d0c0500000-55d0c0900000 r-xp 00100000 fe:00 17                         /usr/sbin/directord
Private_Dirty:        64 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me sd
55d0c0900000-55d0c0980000 r--p 00500000 fe:00 17                         /usr/sbin/directord
Private_Dirty:       512 kB
Anonymous:           512 kB
55d0c0980000-55d0c0990000 rw-p 00580000 fe:00 17                         /usr/sbin/directord
Private_Dirty:         0 kB
7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0                          [vdso]
Private_Dirty:         0 kB
7f0000000000-7f0000001000 r--p 00000000 00:00 0 
Private_Dirty:         0 kB
7f0000002000-7f0000003000 r--s 00000000 fe:00 18                         /a: b
Private_Dirty:         0 kB
";

    #[test]
    fn relocations_and_what_may_be_written_are_not_given_back() {
        let expected = [(0x55d0_c040_0000, 0x10_0000), (0x55d0_c050_0000, 0x40_0000)];
        assert_eq!(unchanged(SMAPS), expected);
        assert_eq!(unchanged(""), []);
        assert_eq!(unchanged("garbage\n: :\n1-\n"), []);
    }
}
