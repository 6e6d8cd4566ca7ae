//! Mirrors: who answers for docker.io, and what is said when nobody does. No test leaves this
//! machine: on the way to docker.io lies a proxy that is not there.

use std::time::Duration;

use mini_docker::registry::client::{Options, Proxies, Retry};

use crate::{
    fault_server::{http, start},
    world::{client, image, pull, push, reference, serve, shelf},
};

fn offline(options: &mut Options) {
    let nobody = Some("http://127.0.0.1:1".to_owned());
    options.proxies = Proxies { http: nobody.clone(), https: nobody, none_for: None };
    options.retry = Retry { attempts: 2, first_wait: Duration::from_millis(10) };
}

#[test]
fn a_mirror_is_the_whole_of_docker_io_where_there_is_no_internet() {
    let (ours, theirs) = (shelf(), shelf());
    let domain = serve(&theirs.store, |_| {});
    let there = reference(&domain, "library/app:1");
    let image = image(&ours.store, &there, &[100_000]);
    push(&client(|_| {}), &ours, (&image, &there)).unwrap();
    let wanted = "app:1".parse::<oci::Reference>().unwrap();
    let other = shelf();
    let client = client(|options| {
        offline(options);
        // The first is not there, and is passed over.
        options.mirrors = vec!["http://127.0.0.1:2".into(), format!("http://{domain}/")];
    });
    pull(&client, &other, &wanted).unwrap();
    let pulled = other.store.find(&wanted).unwrap().unwrap();
    assert!(pulled.references.contains(&wanted), "not by the name of the mirror");
    let found = client.search("docker.io", "ap", 25).unwrap();
    assert_eq!(found.iter().map(|found| &found.name).collect::<Vec<_>>(), ["library/app"]);
}

#[test]
fn what_the_mirrors_said_is_told_when_docker_io_says_nothing() {
    let theirs = shelf();
    let domain = serve(&theirs.store, |_| {});
    let failure = |mirrors: Vec<String>| {
        let client = client(|options| {
            offline(options);
            options.mirrors = mirrors;
        });
        let error = pull(&client, &shelf(), &"app:1".parse().unwrap()).map(drop).unwrap_err();
        error.to_string().replace(&domain, "MIRROR")
    };
    insta::assert_snapshot!("mirror_has_not_got_it", failure(vec![format!("http://{domain}")]));
    insta::assert_snapshot!("mirror_is_not_there", failure(vec!["http://127.0.0.1:2".into()]));
    insta::assert_snapshot!("mirror_is_no_address", failure(vec!["mirror/docker".into()]));
}

#[test]
fn a_registry_is_searched_by_its_old_api_or_by_its_list() {
    let server = start(|asked| {
        let answer = br#"{"num_results":1,"query":"re","results":[{"name":"redis",
            "description":"a store","star_count":12,"is_official":true,"is_automated":false}]}"#;
        asked.line.starts_with("GET /v1/search?q=re&n=5 ").then(|| http("200 OK", "", answer))
    });
    let domain = server.name.domain();
    let found = client(|_| {}).search(domain, "re", 5).unwrap();
    assert_eq!(found[0].name, format!("{domain}/redis"));
    assert_eq!((found[0].stars, found[0].is_official), (12, true));
}

#[test]
fn a_registry_that_wants_us_back_in_hours_is_not_waited_for() {
    for value in ["7200", "Fri, 31 Dec 2100 23:59:59 GMT"] {
        let server = start(move |asked| {
            let header = format!("Retry-After: {value}\r\n");
            asked.is_manifest().then(|| http("429 Too Many Requests", &header, b"slow down"))
        });
        let error = pull(&client(|_| {}), &shelf(), &server.name).map(drop).unwrap_err();
        assert!(error.to_string().contains("it asks us to wait "), "{error}");
        let asked = server.log.lock().unwrap().iter().filter(|it| it.contains("manif")).count();
        assert_eq!(asked, 1);
    }
    // A date that is past is no wait.
    let server = start(|asked| {
        let header = "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n";
        (asked.is_manifest() && asked.before == 0)
            .then(|| http("429 Too Many Requests", header, b"slow down"))
    });
    pull(&client(|_| {}), &shelf(), &server.name).unwrap();
}
