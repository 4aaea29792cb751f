"""Genie's command line: options in, a task of the core, tables or JSON out.

start, app, table   the entry point; the table of commands, and how to add one
tree, arrange       typer's commands, imported when they are called; flags before the command
commands/           one module per command
flags, options   flags as dataclasses; the groups of flags that commands share: records, debugging, policy_flags, remote
wiring, holding     the edges that a command's task is given; a dry run that waits for the person
output, render, views/   forms of output; reports as people read them; terminal: its abilities; progress: on stderr
boundary            exceptions -> a message on stderr and an exit code
schemas/            JSON Schemas of the documents for machines
shells/, completing, candidates   completion scripts, their answers and values; manual: manual pages
"""
