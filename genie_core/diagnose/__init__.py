"""What is wrong with this pod's network: facts gathered once, a model of the packet's way, pure checks.

collect/ -> Facts -> Model -> checks/ -> findings, ranked. Only `collect/` and `probe` touch the machine.
"""
