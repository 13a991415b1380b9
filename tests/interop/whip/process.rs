// SPDX-License-Identifier: MPL-2.0
//! Programs that end with the test, and what they say.

use std::io::{BufRead as _, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use super::wait_for;

/// A running program.
pub(crate) struct Process {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts `command` and collects what it prints.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = Arc::new(Mutex::new(vec![]));
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        collect(stdout, lines.clone());
        collect(stderr, lines.clone());
        Self { child, lines }
    }

    /// Waits for a line that `is_it` wants.
    pub(crate) fn wait_line(&self, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        wait_for(what, || self.find(&is_it).or_else(|| self.check_running(what)))
    }

    /// The last line that `is_it` wants.
    pub(crate) fn find(&self, is_it: impl Fn(&str) -> bool) -> Option<String> {
        self.lines
            .lock()
            .unwrap()
            .iter()
            .rev()
            .find(|line| is_it(line))
            .cloned()
    }

    /// Ends the program as a user would.
    pub(crate) fn interrupt(&self) {
        let status = Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Waits for its own end.
    pub(crate) fn wait_end(&mut self) {
        wait_for("the program's end", || self.child.try_wait().unwrap());
    }

    fn check_running(&self, what: &str) -> Option<String> {
        // A program that is gone will not say anything more.
        let is_running = std::path::Path::new(&format!("/proc/{}/stat", self.child.id())).exists();
        assert!(
            is_running,
            "{what} will not happen: {:#?}",
            self.lines.lock().unwrap()
        );
        None
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{:#?}", self.lines.lock().unwrap());
        }
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(from: impl Read + Send + 'static, lines: Arc<Mutex<Vec<String>>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            lines.lock().unwrap().push(line);
        }
    });
}

/// The folder of the Node programs and their packages; `None` when these are not installed.
pub(crate) fn node_folder() -> Option<PathBuf> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop"));
    folder.join("node_modules").is_dir().then_some(folder)
}

/// Whether a program is on the path.
pub(crate) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// A folder for the files of one test, removed with the value.
pub(crate) struct Folder(pub PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("interop-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Left behind, it is only a temporary file too many.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
