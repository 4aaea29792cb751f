# fish completion for genie. Load it with:  genie completion fish | source
# or copy it to ~/.config/fish/completions/genie.fish
function __genie_complete
    set -l tokens (commandline -opc)
    set -l answer (genie __complete -- $tokens[2..-1] (commandline -ct) 2>/dev/null)
    test (count $answer) -gt 0; or return
    if test (count $answer) -gt 1
        printf '%s\n' $answer[1..-2]
    end
    switch $answer[-1]
        case ':0'
            __fish_complete_path (commandline -ct)
        case ':16'
            __fish_complete_directories (commandline -ct)
    end
end
complete --command genie --no-files --arguments '(__genie_complete)'
