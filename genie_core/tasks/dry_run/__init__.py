"""What would happen to a pod on this node, tried without a change to the node (`run`).

options, subject, objects, searched   what to try: flags, the pod, API objects, the directories
configuration, samples, likeness      the private node: its configuration files and its interfaces
run, life, runtime_call, recorder     the calls, as a runtime makes them; what each plugin was given
netview, reach, policies              what the pods got, and what they reach
preview, report                       the plan alone; the report

Nothing is imported here: `configuration`, `objects`, `preview` and `recorder` have functions that run in the private
node, each time in a new interpreter, and everything else would cost each of them 0.2 s.
"""
