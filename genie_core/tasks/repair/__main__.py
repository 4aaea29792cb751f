"""`python -m genie_core.tasks.repair`: what `genie agent` starts for each look, in the node's namespaces.

One JSON line for each fault, with its result. Exit code 0 where no fault is left or in mode `report`, 1 where a fault
is left in mode `fix`; others as the command line's.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from genie_core.errors import EXIT_FAILURE
from genie_core.jsontext import encode
from genie_core.tasks.node_state import open_context, own_configuration
from genie_core.tasks.program import parser_of, run
from genie_core.tasks.repair import repair

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser

    from genie_core.edges.kube import KubeAPI


def main(argv: list[str]) -> int:
    """One look at all containers of this node, or at one."""
    options = _parser().parse_args(argv)
    state_dir = str(Path(options.state_dir).absolute()) if options.state_dir else ""
    own, config = own_configuration(options.conf_dir, state_dir)

    @cache
    def server() -> KubeAPI | None:
        """The API server, connected to where something is missing: the packages for it cost 0.2 s."""
        from genie_core.survey.user_cluster import Access
        from genie_core.tasks.pods import open_api

        return open_api(Access(kubeconfig=options.kubeconfig, context=options.context), own)

    places = {"container": options.container, "cri_socket": options.cri_socket}
    stays = False
    for done in repair(open_context(config), server, options.mode, **places):
        print(encode(done.as_json()), flush=True)  # noqa: T201 (this is its output)
        stays = stays or done.result in ("failed", "left")
    return EXIT_FAILURE if stays else 0


def _parser() -> ArgumentParser:
    parser = parser_of("repair")
    parser.add_argument("--mode", choices=("report", "fix"), required=True)
    parser.add_argument("--container", default="", help="look at this container alone")
    parser.add_argument("--cri-socket", default="")
    return parser


if __name__ == "__main__":
    run(main)
