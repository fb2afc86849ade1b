//! Memory that the process does not need, back to the system; and none of it into the swap.

use std::ffi::c_void;
use std::path::{Path, PathBuf};
use std::sync::{Once, OnceLock};
use std::{fs, io, ptr};

use nix::unistd::{SysconfVar, sysconf};

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

/// With a page that is touched the kernel maps those around it, up to sixteen, but none of another mapping. What is in use
/// most of the time is small, and spread over all of the program: with mappings of so many pages half as much is mapped.
const PAGES: usize = 4;
/// Nothing of a stack is in use below the current frame but what a call from here needs, in bytes.
const FRAMES: usize = 32 * 1024;

/// What is mapped of the program and its libraries, and cannot change.
static TEXT: OnceLock<Vec<Mapping>> = OnceLock::new();
/// The program's own part of it is in small mappings.
static SPLIT: Once = Once::new();

/// A range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mapping {
    start: usize,
    length: usize,
    /// It is the program, and no library.
    own: bool,
}

/// Finds what [`give_back`] may give back of the program. To be called while there is no other thread, that could map
/// something else meanwhile.
pub(crate) fn find_text() {
    TEXT.get_or_init(|| unchanged(&mappings(), &program()));
}

/// Gives back what was freed, and what only a start or a reload touches of the program, its libraries and the stack of this
/// thread: a configuration that was read leaves ten times its size behind, which the allocator keeps for whoever asks
/// next, and half of the program's text. Takes milliseconds.
pub(crate) fn give_back() {
    #[cfg(target_env = "gnu")]
    #[allow(unsafe_code)]
    // SAFETY: it takes no pointer, and may be called at any time by any thread.
    unsafe {
        libc::malloc_trim(0);
    }
    let text = TEXT.get().map_or(&[][..], Vec::as_slice);
    SPLIT.call_once(|| text.iter().filter(|mapping| mapping.own).for_each(split));
    // A debugger may have written into it since.
    let mappings = mappings();
    let now = unchanged(&mappings, &program());
    text.iter().filter(|mapping| now.contains(mapping)).for_each(drop_pages);
    give_back_stack(&mappings);
}

/// Has every second piece of it marked as one that is left out of core files, in which it is not anyway. Neighbours that
/// differ in that are mappings of their own.
#[allow(unsafe_code)]
fn split(text: &Mapping) {
    let piece = PAGES * page();
    for start in (text.start + piece..text.start + text.length).step_by(2 * piece) {
        let length = piece.min(text.start + text.length - start);
        // SAFETY: the range is within a mapping that stays (see `drop_pages`), and no page of it changes.
        unsafe {
            libc::madvise(ptr::without_provenance_mut::<c_void>(start), length, libc::MADV_DONTDUMP);
        }
    }
}

/// It fails for what is locked in memory, which stays.
#[allow(unsafe_code)]
fn drop_pages(text: &Mapping) {
    // SAFETY: what the loader mapped there at the start stays mapped as long as the process lives. It is read-only, and no
    // page of it differs from its file: one that is needed is read again, which nobody can tell.
    unsafe {
        libc::madvise(ptr::without_provenance_mut::<c_void>(text.start), text.length, libc::MADV_DONTNEED);
    }
}

/// What deeper calls have left on the stack of the first thread.
#[allow(unsafe_code)]
fn give_back_stack(mappings: &str) {
    let here = 0_u8;
    let frames = FRAMES.max(2 * page());
    let end = (ptr::from_ref(&here).addr() - frames) / page() * page();
    let stack = mappings.lines().find(|line| line.ends_with(" [stack]")).and_then(range);
    let Some((start, _)) = stack.filter(|(start, length)| (*start..start + length).contains(&end)) else {
        return;
    };
    // SAFETY: the range is of this thread's stack, and ends below the frames of this call with room to spare: nothing that
    // lives is in it.
    unsafe {
        libc::madvise(ptr::without_provenance_mut::<c_void>(start), end - start, libc::MADV_DONTNEED);
    }
}

/// Bytes of a page.
fn page() -> usize {
    sysconf(SysconfVar::PAGE_SIZE).ok().flatten().and_then(|size| usize::try_from(size).ok()).unwrap_or(4096)
}

fn mappings() -> String {
    fs::read_to_string("/proc/self/smaps").unwrap_or_default()
}

fn program() -> PathBuf {
    fs::read_link("/proc/self/exe").unwrap_or_default()
}

/// What is mapped from files, may not be written, and is as it is in the file; from `/proc/self/smaps`. Neighbours that are
/// one in the file are one here.
fn unchanged(smaps: &str, program: &Path) -> Vec<Mapping> {
    let mut found: Vec<Text<'_>> = Vec::new();
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
            _ => append(&mut found, std::mem::replace(&mut current, read_only(line, program))),
        }
    }
    append(&mut found, current);
    found.into_iter().map(|(mapping, _)| mapping).collect()
}

/// A mapping with its rights and its file.
type Text<'a> = (Mapping, [&'a str; 2]);

fn append<'a>(found: &mut Vec<Text<'a>>, new: Option<Text<'a>>) {
    let Some((new, of)) = new else { return };
    match found.last_mut() {
        Some((last, of_last)) if of == *of_last && last.start + last.length == new.start => {
            last.length += new.length;
        }
        _ => found.push((new, of)),
    }
}

/// A mapping of a file that may not be written.
fn read_only<'a>(line: &'a str, program: &Path) -> Option<Text<'a>> {
    let mut words = line.split_ascii_whitespace();
    let (rights, file) = (words.nth(1)?, words.nth(3)?);
    let (start, length) = range(line)?;
    let fits = file.starts_with('/') && matches!(rights, "r--p" | "r-xp");
    fits.then_some((Mapping { start, length, own: Path::new(file) == program }, [rights, file]))
}

/// Start and length of the mapping of a line.
fn range(line: &str) -> Option<(usize, usize)> {
    let (start, end) = line.split_ascii_whitespace().next()?.split_once('-')?;
    let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    Some((start, end.checked_sub(start)?))
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
        let own = |start, length| Mapping { start, length, own: true };
        let program = Path::new("/usr/sbin/directord");
        let expected = [own(0x55d0_c040_0000, 0x10_0000), own(0x55d0_c050_0000, 0x40_0000)];
        assert_eq!(unchanged(SMAPS, program), expected);
        assert_eq!(unchanged(SMAPS, Path::new("/a")), expected.map(|one| Mapping { own: false, ..one }));
        assert_eq!(unchanged("", program), []);
        assert_eq!(unchanged("garbage\n: :\n1-\n", program), []);
    }

    /// After it was split, and with a piece into which somebody wrote.
    #[test]
    fn what_was_split_is_one_still() {
        let file = "fe:00 17 /usr/sbin/directord";
        let piece = |start: usize, end: usize, anonymous: usize| {
            format!("{start:x}-{end:x} r-xp 00000000 {file}\nAnonymous: {anonymous} kB\n")
        };
        let program = Path::new("/usr/sbin/directord");
        let whole = [(0x1000, 0x5000, 0), (0x5000, 0x9000, 0), (0x9000, 0xa000, 0)];
        let text: String = whole.iter().map(|(start, end, dirty)| piece(*start, *end, *dirty)).collect();
        assert_eq!(unchanged(&text, program), [Mapping { start: 0x1000, length: 0x9000, own: true }]);
        let text =
            text.replacen("Anonymous: 0", "Anonymous: 4", 2).replacen("Anonymous: 4", "Anonymous: 0", 1);
        let expected = [(0x1000, 0x4000), (0x9000, 0x1000)];
        assert_eq!(
            unchanged(&text, program),
            expected.map(|(start, length)| Mapping { start, length, own: true })
        );
    }

    /// On the running program: what it needs is there again, and its own text is in small mappings.
    #[test]
    fn what_is_given_back_comes_again() {
        find_text();
        let own = |mapping: &&Mapping| mapping.own;
        let before: Vec<Mapping> = TEXT.get().unwrap().iter().filter(own).copied().collect();
        assert!(!before.is_empty());
        give_back();
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        for text in before {
            let within = |(start, _): &(usize, usize)| (text.start..text.start + text.length).contains(start);
            let pieces = maps.lines().filter_map(range).filter(within);
            assert!(pieces.clone().all(|(_, length)| length <= PAGES * page()), "{maps}");
            assert_eq!(pieces.map(|(_, length)| length).sum::<usize>(), text.length);
        }
        give_back();
    }
}
