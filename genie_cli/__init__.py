"""Genie's command line: options in, a task of the core, tables or JSON out.

start, app, tree    the way in; the table of commands, and how to add one; commands imported when they are called
commands/           one module per command; options, debug_flags: the flags that several share
wiring, holding     which edges a command's task is given; a dry run that waits for the person
render, views/      reports as people read them; terminal: what their terminal can show; progress: meanwhile
boundary            exceptions -> a message on stderr and an exit code
schemas/            JSON Schemas of what machines read
shells/, completing, manual   completion scripts and what they ask; manual pages
"""
