//! First process of a scenario's machine (User Mode Linux): makes the host's read-only files look writable, then runs the
//! scenario, or systemd and the scenario as its service. In one program: to start one takes long in this machine.
//!
//! Words NAME=value of the kernel's command line are the environment: LAB_EXE the lab's program, LAB_DIRECTORD the program
//! under test, LAB_RESULTS the host's folder for logs and the result.

use std::env::{self, var};
use std::ffi::CString;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::kmod::{ModuleInitFlags, finit_module};
use nix::mount::{MsFlags, mount};
use nix::sys::wait::wait;
use nix::unistd::{Pid, chdir, pivot_root};

use crate::lab::seconds;

const ENVIRONMENT: [(&str, &str); 4] = [
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("HOME", "/root"),
    ("LANG", "C"),
    ("LAB_INSIDE", "1"),
];

#[expect(clippy::zombie_processes, reason = "wait(2) waits for it, with all others")]
pub fn main() -> ! {
    own_files();
    own_devices();
    fs::write("/proc/sys/kernel/hostname", "switch").unwrap();
    let modules = Command::new("modprobe").args(["-a", "ip_vs", "bridge", "veth"]).envs(ENVIRONMENT).status();
    assert!(modules.unwrap().success(), "the kernel has the modules");
    if var("LAB_INIT").is_ok_and(|init| init == "systemd") {
        systemd();
    }
    let log = File::create("/results/log").unwrap();
    let scenario = Command::new("/lab/scenario")
        .envs(ENVIRONMENT)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    // Orphans, too, are the first process's to wait for.
    let own = Pid::from_raw(scenario.id() as i32);
    while wait().unwrap().pid() != Some(own) {}
    if !fs::exists("/results/result").unwrap() {
        fs::write("/results/result", "FAILED the scenario's program ended without a result\n").unwrap();
    }
    // When the first process ends the kernel panics; the launcher ends the machine.
    loop {
        std::thread::sleep(seconds(60));
    }
}

/// The host's files, with everything that is written in memory.
fn own_files() {
    attach("proc", "/proc", "proc", "");
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let modules = format!("/usr/lib/uml/modules/{}", release.trim());
    let overlay = File::open(format!("{modules}/kernel/fs/overlayfs/overlay.ko")).unwrap();
    finit_module(overlay, c"", ModuleInitFlags::empty()).unwrap();
    attach("tmpfs", "/mnt", "tmpfs", "size=90%");
    folders(&["/mnt/upper", "/mnt/work", "/mnt/root"]);
    attach("overlay", "/mnt/root", "overlay", "lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work");
    folders(&["/mnt/root/host"]);
    chdir("/mnt/root").unwrap();
    pivot_root(".", "host").unwrap();
    chdir("/").unwrap();
    folders(&["/results", "/lab", "/lib/modules"]);
    let link = format!("/lib/modules/{}", release.trim());
    let _ = fs::remove_file(&link);
    symlink(modules, link).unwrap();
}

fn own_devices() {
    attach("proc", "/proc", "proc", "");
    attach("sysfs", "/sys", "sysfs", "");
    attach("cgroup2", "/sys/fs/cgroup", "cgroup2", "");
    attach("dev", "/dev", "devtmpfs", "");
    folders(&["/dev/pts", "/dev/shm"]);
    attach("devpts", "/dev/pts", "devpts", "");
    attach("tmpfs", "/dev/shm", "tmpfs", "");
    symlink("/proc/self/fd", "/dev/fd").unwrap();
    for (number, name) in ["stdin", "stdout", "stderr"].iter().enumerate() {
        symlink(format!("/proc/self/fd/{number}"), format!("/dev/{name}")).unwrap();
    }
    attach("none", "/results", "hostfs", &var("LAB_RESULTS").unwrap());
    // The two programs at fixed paths: a node hides /tmp and /run, where a target directory may be.
    attach("tmpfs", "/lab", "tmpfs", "mode=755");
    for (place, program) in [("/lab/scenario", "LAB_EXE"), ("/lab/directord", "LAB_DIRECTORD")] {
        File::create(place).unwrap();
        let program = var(program).unwrap();
        mount(Some(program.as_str()), place, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
    }
}

/// The scenario is a service then, and systemd the first process.
fn systemd() -> ! {
    attach("tmpfs", "/run", "tmpfs", "mode=755");
    let ours = env::vars().filter(|(name, _)| name.starts_with("LAB_"));
    let lines = ours.chain(ENVIRONMENT.map(|(name, value)| (name.into(), value.into())));
    let lines: String = lines.map(|(name, value)| format!("{name}={value}\n")).collect();
    fs::write("/lab/environment", lines).unwrap();
    let unit = "\
[Unit]
DefaultDependencies=no
Wants=systemd-journald.service
After=systemd-journald.service
[Service]
EnvironmentFile=/lab/environment
ExecStart=/lab/scenario
StandardOutput=file:/results/log
StandardError=file:/results/log
";
    fs::write("/etc/systemd/system/lab.service", unit).unwrap();
    let arguments = ["--unit=lab.service", "--log-target=kmsg", "--show-status=no"];
    let error = Command::new("/lib/systemd/systemd").args(arguments).envs(ENVIRONMENT).exec();
    panic!("systemd does not start: {error}");
}

fn folders(paths: &[&str]) {
    paths.iter().for_each(|path| fs::create_dir_all(path).unwrap());
}

/// mount(8), but for the program.
pub fn attach(source: &str, target: &str, kind: &str, options: &str) {
    let options = CString::new(options).unwrap();
    let mounted = mount(Some(source), target, Some(kind), MsFlags::empty(), Some(options.as_c_str()));
    mounted.unwrap_or_else(|error| panic!("{target}: {error}"));
}
