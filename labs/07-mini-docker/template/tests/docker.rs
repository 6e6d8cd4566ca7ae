//! What Docker printed for a list of templates, held against ours.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;
use template::{Method, Mode, OmitEmpty, Template, Value, to_value};

/// A part of what `docker inspect` knows, with the values of the recorded container.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    id: &'static str,
    created: &'static str,
    args: Vec<&'static str>,
    state: State,
    name: &'static str,
    host_config: HostConfig,
    graph_driver: GraphDriver,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_rw: Option<i64>,
    mounts: Vec<Mount>,
    config: Config,
    network_settings: NetworkSettings,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    status: &'static str,
    running: bool,
    paused: bool,
    pid: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<()>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct HostConfig {
    log_config: LogConfig,
    port_bindings: BTreeMap<&'static str, Vec<Binding>>,
    restart_policy: RestartPolicy,
    memory: i64,
    nano_cpus: i64,
    cpu_period: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct LogConfig {
    r#type: &'static str,
    config: BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RestartPolicy {
    name: &'static str,
    maximum_retry_count: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Binding {
    host_ip: &'static str,
    host_port: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GraphDriver {
    name: &'static str,
}

#[derive(Serialize)]
struct Mount {
    #[serde(rename = "Type")]
    kind: &'static str,
    #[serde(rename = "Name")]
    name: OmitEmpty<&'static str>,
    #[serde(rename = "Source")]
    source: &'static str,
    #[serde(rename = "Destination")]
    destination: &'static str,
    #[serde(rename = "Driver")]
    driver: OmitEmpty<&'static str>,
    #[serde(rename = "Mode")]
    mode: &'static str,
    #[serde(rename = "RW")]
    rw: bool,
    #[serde(rename = "Propagation")]
    propagation: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    exposed_ports: BTreeMap<&'static str, Empty>,
    env: Vec<&'static str>,
    volumes: BTreeMap<(), ()>,
    labels: BTreeMap<&'static str, &'static str>,
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkSettings {
    ports: BTreeMap<&'static str, Vec<Binding>>,
    networks: BTreeMap<&'static str, Endpoint>,
}

#[derive(Serialize)]
struct Endpoint {
    #[serde(rename = "IPAddress")]
    ip_address: &'static str,
}

fn document() -> Value {
    let binding = |host_ip, host_port| Binding { host_ip, host_port };
    to_value(&Document {
        id: "d628e4c7457fc47044cb6187934d797e88ed0c43b26ffc57ddd0121a72cd38b1",
        created: "2026-11-21T11:22:51.462664302Z",
        args: vec!["1000"],
        state: State { status: "running", running: true, paused: false, pid: 7, health: None },
        name: "/one",
        host_config: HostConfig {
            log_config: LogConfig { r#type: "json-file", config: BTreeMap::new() },
            port_bindings: BTreeMap::from([
                ("53/udp", vec![binding("127.0.0.1", "5353")]),
                ("80/tcp", vec![binding("", "8080")]),
            ]),
            restart_policy: RestartPolicy { name: "no", maximum_retry_count: 0 },
            memory: 67_108_864,
            nano_cpus: 500_000_000,
            cpu_period: 0,
        },
        graph_driver: GraphDriver { name: "overlay2" },
        size_rw: None,
        mounts: mounts(),
        config: Config {
            exposed_ports: BTreeMap::from([("53/udp", Empty {}), ("80/tcp", Empty {})]),
            env: vec!["A=B", "PATH=/bin"],
            volumes: BTreeMap::new(),
            labels: BTreeMap::from([("app", "web"), ("tier", "front")]),
        },
        network_settings: NetworkSettings {
            ports: BTreeMap::from([
                ("53/udp", vec![binding("127.0.0.1", "5353")]),
                ("80/tcp", vec![binding("0.0.0.0", "8080"), binding("::", "8080")]),
            ]),
            networks: BTreeMap::from([("bridge", Endpoint { ip_address: "172.17.0.2" })]),
        },
    })
}

fn mounts() -> Vec<Mount> {
    vec![
        Mount {
            kind: "bind",
            name: OmitEmpty(""),
            source: "/tmp",
            destination: "/host",
            driver: OmitEmpty(""),
            mode: "ro",
            rw: false,
            propagation: "rprivate",
        },
        Mount {
            kind: "volume",
            name: OmitEmpty("data"),
            source: "/var/lib/docker/volumes/data/_data",
            destination: "/data",
            driver: OmitEmpty("local"),
            mode: "z",
            rw: true,
            propagation: "",
        },
    ]
}

fn said(template: &str, data: &Value) -> String {
    match Template::parse("", template).and_then(|template| template.render(data)) {
        Ok(text) => text,
        Err(error) => error.text,
    }
}

/// Templates with what was printed for them.
fn recorded() -> Vec<(String, String)> {
    let mut cases: Vec<(String, Vec<String>)> = Vec::new();
    for line in include_str!("docker.txt").lines().filter(|line| !line.starts_with('#')).skip(1) {
        match line.strip_prefix("$ ") {
            Some(template) => cases.push((template.to_owned(), Vec::new())),
            None => cases.last_mut().unwrap().1.push(line.to_owned()),
        }
    }
    cases.into_iter().map(|(template, lines)| (template, lines.join("\n"))).collect()
}

#[test]
fn templates_print_what_docker_prints() {
    let data = document();
    let cases = recorded();
    assert!(cases.len() > 100, "{}", cases.len());
    let wrong: Vec<String> = cases
        .iter()
        .map(|(template, expected)| (template, expected, said(template, &data)))
        .filter(|(_, expected, said)| said != *expected)
        .map(|(template, expected, said)| {
            format!("{template}\n docker: {expected}\n we:     {said}")
        })
        .collect();
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_row_has_a_method_and_a_heading() {
    let labels = BTreeMap::from([("com.example.a-b".to_owned(), "x".to_owned())]);
    let row = |name: &str, label: Method| {
        let fields = vec![("Names", Value::text(name)), ("Label", Value::Method(label))];
        Value::record("*formatter.ContainerContext", fields)
    };
    let template =
        Template::parse("", r#"{{upper .Names}} {{.Label "com.example.a-b"}}{{.Label "no"}}"#)
            .unwrap();
    let data = row("box", Method::Label(Arc::new(labels)));
    assert_eq!(template.render(&data).unwrap(), "BOX x");
    let heading = row("NAMES", Method::LabelHeading);
    assert_eq!(template.render_as(Mode::Heading, &heading).unwrap(), "NAMES a bno");
    let wrong = Template::parse("", "{{.Foo}}").unwrap().render(&data).unwrap_err();
    let said = "template: :1:2: executing \"\" at <.Foo>: can't evaluate field Foo in type \
                *formatter.ContainerContext";
    assert_eq!(wrong.text, said);
    assert_eq!(wrong.fields, [".Names", ".Label"]);
}

#[test]
fn what_costs_is_found_by_its_name() {
    let mentions = |text: &str| Template::parse("", text).unwrap().mentions("Size");
    assert!(mentions("{{.Size}}") && mentions("{{with $.Names}}{{len $.Size}}{{end}}"));
    assert!(mentions("{{json .}}") && mentions(r#"{{template "T" .}}{{define "T"}}x{{end}}"#));
    assert!(!mentions("{{.Names}} Size {{print \"Size\"}}"));
}

/// Whatever is typed, there is an answer. The words are put together at random, from a fixed seed.
#[test]
fn no_template_makes_it_panic() {
    const WORDS: [&str; 60] = [
        "{{",
        "}}",
        "{{-",
        "-}}",
        " - ",
        "if ",
        "else ",
        "end",
        "range ",
        "with ",
        "define ",
        "template ",
        "block ",
        "break",
        "continue",
        ".",
        ".State",
        ".Name",
        ".Nope",
        "$",
        "$x",
        ":=",
        "=",
        ",",
        "|",
        "(",
        ")",
        "\"",
        "\"a\"",
        "`",
        "'a'",
        "'",
        "1",
        "-7",
        "0x",
        "1e9",
        "1.5",
        "nil",
        "true",
        "printf ",
        "\"%5.3d%[2]*q%!\" ",
        "index ",
        "slice ",
        "len ",
        "json ",
        "and ",
        "or ",
        "not ",
        "eq ",
        "lt ",
        "split ",
        "join ",
        "pad ",
        "truncate ",
        "/*",
        "*/",
        "ä",
        "\n",
        " ",
        "😀",
    ];
    let data = document();
    let mut seed: u64 = 7;
    let mut random = move |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    for _ in 0..20_000 {
        let mut text = String::new();
        let mut braces = random(3) > 0;
        if braces {
            text.push_str("{{");
        }
        for _ in 0..random(14) {
            text.push_str(WORDS[random(WORDS.len())]);
            if random(6) == 0 && braces {
                text.push_str("}}");
                braces = false;
            }
        }
        if braces {
            text.push_str("}}");
        }
        let _ = said(&text, &data);
    }
    // And what is true of none of the recorded ones: half of each.
    for (template, _) in recorded() {
        for (end, _) in template.char_indices() {
            let _ = said(&template[..end], &data);
            let _ = said(&template[end..], &data);
        }
    }
}

#[test]
fn what_never_ends_is_ended() {
    let data = document();
    let said = said(r#"{{define "T"}}{{template "T"}}{{end}}{{template "T"}}"#, &data);
    assert!(said.contains("exceeded maximum template depth"), "{said}");
    let deep = "(".repeat(5000);
    let nested = format!("{{{{{deep}1");
    assert!(Template::parse("", &nested).unwrap_err().text.contains("nested too deeply"));
}
