"""Bad input, by the hundred thousand: `python -m tests.fuzz` (CONTRIBUTING.md, "Fuzzing").

A case is a handful of named byte strings, its *parts*: stdin, the CNI variables, files, the API server's answers,
the delegates' outputs, a kubeconfig. A *target* says which parts there are, real ones to begin with, and how
they are changed; the *world* calls the plugin with them; the *oracle* says what is wrong with the answer. What reaches
code that nothing before has reached is kept and changed further (`guided`).

The plugin runs in this process, and everything around it is real: files, a network namespace, processes, an HTTP
server on the loopback. Since it writes as root to any path of a configuration, all of it happens in a mount
namespace where only a scratch directory can be written to (`sandbox`).
"""
