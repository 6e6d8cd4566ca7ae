//! The OCI types: digest, reference, descriptor, manifest, image config, runtime spec.
