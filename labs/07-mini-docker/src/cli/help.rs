//! Help: the verbs in Docker's groups.

use clap::Command;

/// What people type every day, in Docker's order.
const COMMON: [&str; 12] = [
    "run", "exec", "ps", "build", "pull", "push", "images", "login", "logout", "search", "version",
    "info",
];
/// What manages one kind of thing.
const MANAGEMENT: [&str; 6] = ["container", "image", "network", "registry", "system", "volume"];
/// What is ours alone.
const OWN: [&str; 5] = ["completion", "demo", "man", "resume", "xray"];

/// Prints the verbs in groups instead of one long list.
pub fn grouped(command: Command) -> Command {
    let group = |heading: &str, names: &[&str]| -> String {
        let verbs = names.iter().filter_map(|name| command.find_subcommand(name));
        let lines: Vec<String> = verbs.filter(|verb| !verb.is_hide_set()).map(entry).collect();
        match lines.is_empty() {
            true => String::new(),
            false => format!("{heading}:\n{}\n\n", lines.join("\n")),
        }
    };
    let named =
        |name: &str| COMMON.contains(&name) || MANAGEMENT.contains(&name) || OWN.contains(&name);
    let mut rest: Vec<&str> =
        command.get_subcommands().map(Command::get_name).filter(|name| !named(name)).collect();
    rest.sort_unstable();
    let template = format!(
        "Usage: {{usage}}\n\n{{about}}\n\n{}{}{}{}Global Options:\n{{options}}\n\n\
         Run 'mini-docker COMMAND --help' for more information on a command.",
        group("Common Commands", &COMMON),
        group("Management Commands", &MANAGEMENT),
        group("Commands", &rest),
        group("Not in Docker", &OWN),
    );
    command.help_template(template)
}

fn entry(verb: &Command) -> String {
    let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
    format!("  {:<11} {about}", verb.get_name())
}
