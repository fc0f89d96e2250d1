_moonpool() {
    local IFS=$' \t\n'
    local args cur prev cmd opts arg
    args=("${COMP_WORDS[@]}")
    cur="${COMP_WORDS[COMP_CWORD]}"
    prev="${COMP_WORDS[COMP_CWORD-1]}"
    opts="-h --help --version"

    args=("${args[@]:1}")
    for arg in "${args[@]}"; do
        case "$arg" in
            run)
                cmd="run"
                opts="$opts -h --help --config --policy --name --log --control --memory --budget --seed --listen --secret-file --workers --tls-cert --tls-key --watch --check -q --quiet --redis"
                break
                ;;
            ps)
                cmd="ps"
                opts="$opts -h --help --json --control --host --redis"
                break
                ;;
            reload)
                cmd="reload"
                opts="$opts -h --help --control --host --redis"
                break
                ;;
            revoke)
                cmd="revoke"
                opts="$opts -h --help --control --host --redis"
                break
                ;;
            explain)
                cmd="explain"
                opts="$opts -h --help --as --action --json --control --host --redis"
                break
                ;;
            chat)
                cmd="chat"
                opts="$opts -h --help --as --last --control --host --redis"
                break
                ;;
            follow)
                cmd="follow"
                opts="$opts -h --help --last --from --since --json -n --count --redis"
                break
                ;;
            say)
                cmd="say"
                opts="$opts -h --help --as --key --durability --action --history --keep --keep-for --control --host --redis"
                break
                ;;
            history)
                cmd="history"
                opts="$opts -h --help --since --till --after --before --last --limit --all --json --redis"
                break
                ;;
            who)
                cmd="who"
                opts="$opts -h --help --count --json --redis"
                break
                ;;
            rooms)
                cmd="rooms"
                opts="$opts -h --help -l --long --json --redis"
                break
                ;;
            watch)
                cmd="watch"
                opts="$opts -h --help --rates --json -n --count --redis"
                break
                ;;
            delete)
                cmd="delete"
                opts="$opts -h --help --as --redis"
                break
                ;;
            clear)
                cmd="clear"
                opts="$opts -h --help --as -y --yes --redis"
                break
                ;;
            destroy)
                cmd="destroy"
                opts="$opts -h --help -y --yes --redis"
                break
                ;;
            replay)
                cmd="replay"
                opts="$opts -h --help --room --speed --history --keep --keep-for --through --policy --config --seed --verdicts --json --redis"
                break
                ;;
            sub)
                cmd="sub"
                opts="$opts -h --help -p --pattern --json -n --count --redis"
                break
                ;;
            pub)
                cmd="pub"
                opts="$opts -h --help --redis"
                break
                ;;
            version)
                cmd="version"
                opts="$opts -h --help --json"
                break
                ;;
            help)
                cmd="help"
                opts="$opts -h --help"
                break
                ;;
        esac
    done

    case "$cmd" in
        '')
            COMPREPLY=($(compgen -W "run ps reload revoke explain chat follow say history who rooms watch delete clear destroy replay sub pub version help" -- "$cur"))
            ;;
        'run')
            case "$prev" in
                --config)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --policy)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --name)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --log)
                    COMPREPLY=($(compgen -W "text json" -- "$cur"))
                    return 0
                    ;;
                --control)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --memory)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --budget)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --seed)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --listen)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --secret-file)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --workers)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --tls-cert)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --tls-key)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --redis)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'ps')
            case "$prev" in
                --control)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --host)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --redis)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'reload')
            case "$prev" in
                --control)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --host)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --redis)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'revoke')
            case "$prev" in
                --control)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --host)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --redis)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'explain')
            case "$prev" in
                --as)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --control)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --host)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --redis)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'chat')
            case "$prev" in
                --as)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --last)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --control)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --host)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --redis)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'follow')
            case "$prev" in
                --last)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --from)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --since)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                -n|--count)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --redis)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'say')
            case "$prev" in
                --as)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --key)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --durability)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --history)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --keep)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --keep-for)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --control)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --host)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --redis)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'history')
            case "$prev" in
                --since)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --till)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --after)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --before)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --last)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --limit)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --redis)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'who')
            case "$prev" in
                --redis)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'rooms')
            case "$prev" in
                --redis)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'watch')
            case "$prev" in
                --rates)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                -n|--count)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --redis)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'delete')
            case "$prev" in
                --as)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --redis)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'clear')
            case "$prev" in
                --as)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --redis)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'destroy')
            case "$prev" in
                --redis)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'replay')
            case "$prev" in
                --room)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --speed)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --history)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --keep)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --keep-for)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --through)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --policy)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --config)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --seed)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --redis)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'sub')
            case "$prev" in
                -p|--pattern)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                -n|--count)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
                --redis)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
        'pub')
            case "$prev" in
                --redis)
                    COMPREPLY=($(compgen -f -- "$cur"))
                    return 0
                    ;;
            esac

            ;;
    esac

    if [[ "$cur" = -* ]]; then
        COMPREPLY=($(compgen -W "$opts" -- "$cur"))
    fi
}

complete -F _moonpool -o bashdefault -o default moonpool
