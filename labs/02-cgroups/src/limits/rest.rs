//! The smaller controllers on disk: huge pages, network marks, RDMA; and v2's files by name.
//!
//! Source: the kernel's admin-guide/cgroup-v1/{hugetlb,net_cls,net_prio,rdma}.rst and
//! admin-guide/cgroup-v2.rst.

use ground::Result;

use super::{HugePages, Limits, Network, Rdma, Write, controller_of, write::invalid};
use crate::{Controller, Version};

/// Pages in use, and where the kernel counts them (Linux 5.7) those that are reserved as well: a
/// process that was refused at the reservation lives, one that is refused at the touch gets SIGBUS.
pub(super) fn huge_pages(huge: &HugePages, version: Version) -> [Write; 2] {
    let HugePages { page_size, limit } = huge;
    let end = if version == Version::V1 { "limit_in_bytes" } else { "max" };
    [
        Write::new(Controller::Hugetlb, format!("hugetlb.{page_size}.{end}"), limit),
        Write::new(Controller::Hugetlb, format!("hugetlb.{page_size}.rsvd.{end}"), limit)
            .or_skipped(),
    ]
}

pub(super) fn network(network: &Network) -> Vec<Write> {
    let class = network.class_id.iter();
    let class = class.map(|it| Write::new(Controller::NetCls, "net_cls.classid", it));
    let priorities = network.priorities.iter().map(|(interface, priority)| {
        Write::new(Controller::NetPrio, "net_prio.ifpriomap", format!("{interface} {priority}"))
    });
    class.chain(priorities).collect()
}

pub(super) fn rdma(device: &str, limit: &Rdma) -> Write {
    let bound = |it: Option<u32>| it.map_or("max".to_owned(), |it| it.to_string());
    let (handles, objects) = (bound(limit.hca_handles), bound(limit.hca_objects));
    let line = format!("{device} hca_handle={handles} hca_object={objects}");
    Write::new(Controller::Rdma, "rdma.max", line)
}

pub(super) fn unified(limits: &Limits, version: Version) -> Result<Vec<Write>> {
    let write = |(file, value): (&String, &String)| {
        let controller = match controller_of(file) {
            Some(controller) if !file.contains('/') => controller,
            _ if file.starts_with("cgroup.") && !file.contains('/') => Controller::Freezer,
            _ => return Err(invalid(&format!("'{file}' is not the name of a cgroup v2 file"))),
        };
        Ok(Write::new(controller, file, value))
    };
    if version == Version::V1 && !limits.unified.is_empty() {
        return Err(invalid("`unified` names files of cgroup v2, this machine has v1")
            .fix("use the fields of their own: memory.limit, cpu.quota, .."));
    }
    limits.unified.iter().map(write).collect()
}
