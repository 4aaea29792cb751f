"""From annotations to networks: what a pod asks for, and which configuration that is. Pure.

`choose` is the way in: one function per dialect, in one table. `annotations` tells which dialect a pod speaks and
reads the simplest, `npwg` the multi-network standard's, `logical` CNI-Genie's logical networks (`underlay` gives them a
subnet, a bridge and a parent interface, `overlap` keeps their subnets apart), `smart` (with `load/`)
the choice by load. `files` finds the configuration that a name means, `definitions` takes it from a
NetworkAttachmentDefinition, `generated` makes up CNI-Genie's.
"""
