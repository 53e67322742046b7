//! `rbd`: images in Ceph pools.

#[cfg_attr(not(test), expect(dead_code, unused_imports, reason = "the store that uses the binding comes next"))]
mod librbd;
