# bash completion for genie. Load it with:  source <(genie completion bash)
# or copy it to /etc/bash_completion.d/genie or /usr/share/bash-completion/completions/genie
_genie() {
    local line value directive answer word prefix=
    line=${COMP_LINE:0:COMP_POINT}
    word=${line##*[[:space:]]}
    # Readline replaces only what follows the last of these.
    case $word in *[=:@]*) prefix=${word%"${word##*[=:@]}"} ;; esac
    answer=$(genie __complete --line "$line" 2>/dev/null) || return
    directive=${answer##*:}
    COMPREPLY=()
    while IFS=$'\t' read -r value _; do
        [[ $value == :* ]] || COMPREPLY+=("${value#"${prefix//[\'\"]/}"}")
    done <<<"$answer"
    case $directive in
        0) compopt -o default ;;
        16) compopt -o dirnames ;;
    esac
}
complete -F _genie genie
