"""The CNI verbs: `add`, `check`, `delete`, `gc`, `status`, each imported when it is called.

context          settings, wired edges, the driver of the steps that `attach` yields
networks         which networks a call is about; objects: the API objects that describe them
pods, policy     what ADD writes on the pod; the rules of policies
own_addresses    addresses that a pod may not ask for
salvage          DEL with a damaged state; unrecorded: without any; refused: of networks that hold nothing
"""
