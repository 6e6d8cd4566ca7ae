//! run, create, start, attach.

use std::process::ExitCode;

use ground::Result;
use mini_docker::{
    container::Record,
    engine::{self, Engine, Kind, Session},
};
use nix::sys::signalfd::SignalFd;
use oci::Reference;

use super::{
    args::{Attach, AttachTo, ContainerFlags, Create, Pulling, Run, Start},
    attach::{self, Ended, Shows, Wanted},
    cid_file::CidFile,
    create::create as meant,
    detach_keys::DetachKeys,
    each, narration, output,
    progress::{Direction, Progress},
    settings,
};

/// `run --explain`
pub fn explain(engine: &Engine, args: &Run) -> Result<ExitCode> {
    narration::explain(engine, &meant(&args.container, args.detach)?, args.json)
}

/// `run`
pub fn run(engine: &Engine, args: &Run) -> Result<ExitCode> {
    let keys = settings::detach_keys(args.detach_keys.as_deref())?;
    let wanted = wanted(args, keys)?;
    if !args.detach {
        attach::check_terminal(&wanted)?;
    }
    // Before the monitor and any thread: from here on signals are for the program.
    let signals = attach::signals()?;
    let record = make(engine, &args.container, args.detach)?;
    warn_of_no_way_out(engine, &record);
    let session = engine.start(&record, !args.detach)?;
    if args.detach {
        output::line(&record.id)?;
        return Ok(ExitCode::SUCCESS);
    }
    let is_mute = wanted.shows == Shows::NOTHING;
    let code = follow(engine, session, (&record, wanted), &signals)?;
    if is_mute {
        output::line(&record.id)?;
        return Ok(ExitCode::SUCCESS);
    }
    Ok(code)
}

/// What is attached to: all, but where somebody says what.
fn wanted(args: &Run, keys: DetachKeys) -> Result<Wanted> {
    let flags = &args.container;
    if args.detach && !flags.attach.is_empty() {
        return Err(ground::Error::new("Conflicting options: -a and -d")
            .why("nobody is attached to what runs in the background")
            .fix("leave one of them out"));
    }
    let is_meant = |stream| flags.attach.is_empty() || flags.attach.contains(&stream);
    Ok(Wanted {
        input: flags.interactive && is_meant(AttachTo::Stdin),
        shows: Shows { stdout: is_meant(AttachTo::Stdout), stderr: is_meant(AttachTo::Stderr) },
        tty: flags.tty,
        signals: args.sig_proxy && !flags.tty,
        keys,
    })
}

fn follow(
    engine: &Engine,
    session: Session,
    (record, wanted): (&Record, Wanted),
    signals: &SignalFd,
) -> Result<ExitCode> {
    let ended = attach::attach(session, wanted, signals)?;
    if ended == Ended::Detached {
        engine.detached(record);
    }
    Ok(ExitCode::from(ended.code()))
}

/// `create`
pub fn create(engine: &Engine, args: &Create) -> Result<ExitCode> {
    let record = make(engine, &args.container, false)?;
    output::line(&record.id)?;
    Ok(ExitCode::SUCCESS)
}

/// Makes a container, after a pull where the image is missing.
fn make(engine: &Engine, flags: &ContainerFlags, detached: bool) -> Result<Record> {
    let mut wanted = meant(flags, detached)?;
    engine::discard(&mut wanted.options.limits)?.into_iter().for_each(crate::warn);
    let cid_file = flags.cidfile.as_deref().map(CidFile::reserve).transpose()?;
    let record = make_or_pull(engine, flags, wanted)?;
    warn_of_platform(engine, flags, &record);
    if let Some(file) = cid_file {
        file.write(&record.id)?;
    }
    Ok(record)
}

fn make_or_pull(engine: &Engine, flags: &ContainerFlags, wanted: engine::Create) -> Result<Record> {
    let progress = Progress::new(Direction::Pull, true).quiet(flags.quiet);
    if flags.pull == Pulling::Always {
        pull(engine, &flags.image, &progress)?;
    }
    // A layer that is unpacked now came from here: there is nothing to tell.
    let on_event = |_| {};
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

fn warn_of_no_way_out(engine: &Engine, record: &Record) {
    if let Some(why) = engine.no_way_out(record) {
        crate::warn(&format!("{} gets nowhere but into its networks: {why}", record.name));
    }
}

/// Docker's warning: without an emulator (binfmt_misc) no program of the image can be executed.
fn warn_of_platform(engine: &Engine, flags: &ContainerFlags, record: &Record) {
    let Ok((_, config)) = engine.image_config(&record.image.id.to_string()) else { return };
    let host = oci::Platform::host();
    if config.is_for(&host) || flags.platform.is_some() || config.platform.architecture.is_empty() {
        return;
    }
    Progress::new(Direction::Pull, true).line(&format!(
        "WARNING: The requested image's platform ({}/{}) does not match the detected host platform \
         ({host}) and no specific platform was requested",
        config.platform.os, config.platform.architecture
    ));
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
            warn_of_no_way_out(engine, &record);
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
    let keys = settings::detach_keys(args.detach_keys.as_deref())?;
    let signals = attach::signals()?;
    let record = engine.container(name)?;
    warn_of_no_way_out(engine, &record);
    let session = engine.start(&record, true)?;
    let tty = record.options.tty;
    let input = args.interactive && record.options.interactive;
    let wanted = Wanted { input, shows: Shows::ALL, tty, signals: !tty, keys };
    follow(engine, session, (&record, wanted), &signals)
}

/// `attach`
pub fn attach(engine: &Engine, args: &Attach) -> Result<ExitCode> {
    let keys = settings::detach_keys(args.detach_keys.as_deref())?;
    let record = engine.container(&args.container)?;
    let tty = record.options.tty;
    let wanted = Wanted {
        input: !args.no_stdin && record.options.interactive,
        shows: Shows::ALL,
        tty,
        signals: args.sig_proxy && !tty,
        keys,
    };
    attach::check_terminal(&wanted)?;
    let signals = attach::signals()?;
    let session = engine.attach(&record)?;
    let ended = attach::attach(session, wanted, &signals)?;
    if ended == Ended::Detached {
        engine.detached(&record);
    }
    Ok(ExitCode::from(ended.of_visitor()?))
}
