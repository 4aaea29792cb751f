"""The CNI verbs: `add`, `check`, `delete`, `gc`, `status`, each imported when it is called.

They share `context` (settings, wired edges, the driver of the steps that `attach` yields), `networks` (which networks a
call is about), `api` and `objects` (the API server, when it is needed), `salvage` (DEL with a
damaged state) and `unrecorded` (DEL without any).
"""
