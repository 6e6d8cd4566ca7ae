//! Progress: events of a pull or push as bars on a terminal, and as plain lines elsewhere.

use std::{
    collections::{HashMap, HashSet},
    io::{self, Write},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use mini_docker::event::Event;
use oci::Digest;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the registry.
    Pull,
    /// To the registry.
    Push,
}

/// Shows events to a person.
pub struct Progress {
    direction: Direction,
    bars: Option<MultiProgress>,
    by_blob: Mutex<HashMap<Digest, ProgressBar>>,
    over: Mutex<HashSet<Digest>>,
    to_stderr: bool,
    quiet: bool,
}

impl Progress {
    /// On standard output; `run` says it on standard error, since its output is the program's.
    pub fn new(direction: Direction, to_stderr: bool) -> Self {
        let target =
            if to_stderr { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::stdout() };
        let bars = MultiProgress::with_draw_target(target);
        Self {
            direction,
            // Hidden where nobody looks, and at a terminal that cannot go back in a line (TERM=dumb):
            // what is printed above hidden bars would be lost.
            bars: Some(bars).filter(|bars| !bars.is_hidden()),
            by_blob: Mutex::default(),
            over: Mutex::default(),
            to_stderr,
            quiet: false,
        }
    }

    /// Shows nothing, if that is wanted.
    pub fn quiet(self, quiet: bool) -> Self {
        Self { quiet, ..self }
    }

    /// Prints a line above the bars.
    pub fn line(&self, text: &str) {
        if self.quiet {
            return;
        }
        // A person who does not look any more need not be told.
        let _ = match (&self.bars, self.to_stderr) {
            (Some(bars), _) => bars.println(text),
            (None, true) => writeln!(io::stderr(), "{text}"),
            (None, false) => writeln!(io::stdout(), "{text}"),
        };
    }

    /// Shows one event.
    pub fn show(&self, event: &Event) {
        if self.quiet {
            return;
        }
        let doing = match self.direction {
            Direction::Pull => "Downloading",
            Direction::Push => "Pushing",
        };
        match event {
            Event::Resolving { .. } | Event::Tagged { .. } => {}
            // Docker shows layers only.
            Event::Resolved { config, .. } => self.ended(config),
            event if event.blob().is_some_and(|digest| self.is_over(digest)) => {}
            Event::BlobStarted { digest, size, offset } => {
                self.begin(digest, *size, *offset, doing)
            }
            Event::BlobProgress { digest, done } => {
                self.with(digest, |bar| bar.set_position(*done));
            }
            Event::BlobRetry { digest, attempt, wait, error } => self.line(&format!(
                "{}: try {attempt} failed ({}), trying again in {} s",
                digest.short(),
                error.why.as_deref().unwrap_or(&error.what),
                wait.as_secs_f32()
            )),
            Event::BlobDone { digest, .. } if self.direction == Direction::Pull => {
                self.with(digest, |bar| bar.set_message("Download complete"));
            }
            Event::BlobDone { digest, .. } => self.end(digest, "Pushed"),
            Event::Unpacked { digest } => self.end(digest, "Pull complete"),
            Event::BlobPresent { digest, .. } => self.end(digest, "Already exists"),
            Event::BlobMounted { digest, from } => {
                self.end(digest, &format!("Mounted from {from}"))
            }
            Event::Unpacking { digest, .. } => {
                self.with(digest, |bar| bar.set_message("Extracting"));
            }
        }
    }

    fn begin(&self, digest: &Digest, size: u64, offset: u64, doing: &'static str) {
        let Some(bars) = &self.bars else { return };
        let style = "{prefix}: {msg:14} [{bar:40}] {bytes}/{total_bytes}";
        let style = ProgressStyle::with_template(style)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        let bar = bars.add(ProgressBar::new(size).with_style(style));
        bar.set_prefix(digest.short().to_owned());
        bar.set_message(doing);
        bar.set_position(offset);
        bar.enable_steady_tick(Duration::from_millis(200));
        self.blobs().insert(digest.clone(), bar);
    }

    fn end(&self, digest: &Digest, words: &str) {
        if let Some(bar) = self.blobs().remove(digest) {
            bar.finish_and_clear();
        }
        self.ended(digest);
        self.line(&format!("{}: {words}", digest.short()));
    }

    /// Nothing more is said of this blob.
    fn ended(&self, digest: &Digest) {
        self.over.lock().unwrap_or_else(PoisonError::into_inner).insert(digest.clone());
    }

    fn is_over(&self, digest: &Digest) -> bool {
        self.over.lock().unwrap_or_else(PoisonError::into_inner).contains(digest)
    }

    fn with(&self, digest: &Digest, change: impl FnOnce(&ProgressBar)) {
        if let Some(bar) = self.blobs().get(digest) {
            change(bar);
        }
    }

    fn blobs(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, ProgressBar>> {
        // A thread that panicked while it drew cannot have broken a map of bars.
        self.by_blob.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
