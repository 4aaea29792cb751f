"""The layout of each report for people: report -> the blocks of `render`. Only wording, no logic.

debug, discover, dry_run, explain, gc, policy, status, sync, trace   one for each command; generated: of generate-config
findings                    findings, of every command that has some; junit: as XML for CI systems
page, trace_page, html      a diagnosis, or a trace, as one HTML file
node_picture                a node as a picture; drawing: paths of packets, from tracks, in a layout; svg: all pictures
"""
