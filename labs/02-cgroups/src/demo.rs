//! The demonstration: what limits are made of, and what each of them does to a process.

mod cpu;
mod freezing;
mod init;
mod memory;
mod pids;
mod proc_lies;
mod stage;
mod threads;
mod trees;

use std::process::ExitCode;

use cgroups::{Hierarchies, Site};
use ground::{Lesson, Narrator, Result};

use stage::Stage;

/// Plays the lesson.
pub fn play(narrator: &mut Narrator<'_>) -> Result<ExitCode> {
    let hierarchies = Hierarchies::of_this_process()?;
    let site = Site::find();
    let paper = site.clone().unwrap_or_else(|_| Site::on_paper(hierarchies.clone()));
    let lesson = Lesson {
        lab: "lab-02",
        title: "cgroups",
        point: "A limit is a number in a small file, and the process that meets it is throttled, \
                refused or killed.",
        scenes: vec![
            trees::where_we_are(),
            trees::mkdir(&paper)?,
            trees::defaults(&paper)?,
            cpu::a_fifth(&paper)?,
            cpu::weights(&paper)?,
            threads::moving(&paper)?,
            memory::over_the_limit(&paper)?,
            pids::fork_bomb(&paper)?,
            freezing::a_counter(&paper)?,
            proc_lies::repaired(&paper)?,
            init::two_applications(&paper)?,
            trees::the_end(&paper)?,
        ],
    };
    lesson.play(narrator, || {
        if let Ok(site) = &site {
            cgroups::sweep(site);
        }
        Ok(Stage { hierarchies, site, told_why: false })
    })?;
    Ok(ExitCode::SUCCESS)
}
