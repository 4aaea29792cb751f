"""`genie install`: the plugin on a node, and what `genie uninstall` and `genie generate-config` share with it.

    run             writes an installation; check: whether pods would start with it, before anything is written
    placement       the directories, by the runtimes' own configuration
    conflist        the options, and the texts of Genie's configuration list and kubeconfig
    payload         the plugin's code; interpreter: the Python it runs with; runtime_tree: a Python of Genie's own
    launcher        the file that the runtime executes; native_files: those of the native launcher and `genie serve`
    record          what was written on this node
    delegate_files  the other networks' files in CRI-O's directory; predecessor: CNI-Genie's files
    daemonset       keeps the plugin installed

Nothing is imported here: a dry run installs the plugin in a private node, without `check` and the whole survey.
"""
