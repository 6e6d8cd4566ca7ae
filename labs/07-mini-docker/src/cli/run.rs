//! run, create, start.

use std::process::ExitCode;

use ground::Result;
use mini_docker::{
    container::Record,
    engine::{self, Engine, Kind, Session},
};
use oci::Reference;

use super::{
    args::{ContainerFlags, Create, Pulling, Run, Start},
    attach::{self, Wanted},
    create::create as meant,
    each, narration, output,
    progress::{Direction, Progress},
};

/// `run`
pub fn run(engine: &Engine, args: &Run) -> Result<ExitCode> {
    if args.explain {
        return narration::explain(engine, &meant(&args.container)?, args.json);
    }
    // Before the monitor and any thread: from here on signals are for the program.
    let signals = attach::signals()?;
    let record = make(engine, &args.container)?;
    let session = engine.start(&record, !args.detach)?;
    if args.detach {
        output::line(&record.id)?;
        return Ok(ExitCode::SUCCESS);
    }
    follow(session, &record, args.container.interactive, &signals)
}

fn follow(
    session: Session,
    record: &Record,
    input: bool,
    signals: &nix::sys::signalfd::SignalFd,
) -> Result<ExitCode> {
    let wanted = Wanted { input, tty: record.options.tty };
    Ok(ExitCode::from(attach::attach(session, wanted, signals)?))
}

/// `create`
pub fn create(engine: &Engine, args: &Create) -> Result<ExitCode> {
    let record = make(engine, &args.container)?;
    output::line(&record.id)?;
    Ok(ExitCode::SUCCESS)
}

/// Makes a container, after a pull where the image is missing.
fn make(engine: &Engine, flags: &ContainerFlags) -> Result<Record> {
    let wanted = meant(flags)?;
    let progress = Progress::new(Direction::Pull, true);
    if flags.pull == Pulling::Always {
        pull(engine, &flags.image, &progress)?;
    }
    let on_event = |event| progress.show(&event);
    match engine.create(wanted.clone(), &on_event) {
        Err(error) if error.kind == Kind::NotFound && flags.pull != Pulling::Never => {
            let reference: Reference = flags.image.parse().map_err(invalid)?;
            let name = reference.or_latest().familiar();
            progress.line(&format!("Unable to find image '{name}' locally"));
            pull(engine, &flags.image, &progress)?;
            Ok(engine.create(wanted, &on_event)?)
        }
        made => Ok(made?),
    }
}

fn pull(engine: &Engine, image: &str, progress: &Progress) -> Result<()> {
    let reference: Reference = image.parse().map_err(invalid)?;
    let pulled = engine.pull(&reference, &|event| progress.show(&event))?;
    progress.line(&format!("Digest: {}", pulled.target.digest));
    let name = reference.or_latest().familiar();
    progress.line(&match pulled.was_up_to_date {
        true => format!("Status: Image is up to date for {name}"),
        false => format!("Status: Downloaded newer image for {name}"),
    });
    Ok(())
}

/// The report for text that is no name of an image.
pub fn invalid(invalid: oci::Invalid) -> ground::Error {
    let report = ground::Error::new(invalid.what).why(invalid.why);
    match invalid.fix {
        Some(fix) => report.fix(fix),
        None => report,
    }
}

/// `start`
pub fn start(engine: &Engine, args: &Start) -> Result<ExitCode> {
    if !args.attach && !args.interactive {
        return Ok(each(&args.containers, |name| {
            let record = engine.container(name)?;
            match engine.start(&record, false) {
                // As in Docker: what runs need not be started.
                Err(error) if error.kind == engine::Kind::Conflict => {}
                started => drop(started?),
            }
            Ok(output::line(name)?)
        }));
    }
    let [name] = args.containers.as_slice() else {
        return Err(ground::Error::new("you cannot start and attach multiple containers at once")
            .fix("start them without -a, and look at each with logs -f"));
    };
    let signals = attach::signals()?;
    let record = engine.container(name)?;
    let session = engine.start(&record, true)?;
    follow(session, &record, args.interactive, &signals)
}
