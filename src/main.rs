//! The `directord` program: see [`directord::cli`].

fn main() -> std::process::ExitCode {
    directord::cli::main()
}
