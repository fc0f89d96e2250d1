function __fish_moonpool_print_command
    set -l cmdline (commandline -poc)
    set -l cmd
    set -e cmdline[1]
    for arg in $cmdline
        switch $arg
            case run
                set cmd $cmd run
                break
            case ps
                set cmd $cmd ps
                break
            case reload
                set cmd $cmd reload
                break
            case revoke
                set cmd $cmd revoke
                break
            case explain
                set cmd $cmd explain
                break
            case chat
                set cmd $cmd chat
                break
            case follow
                set cmd $cmd follow
                break
            case say
                set cmd $cmd say
                break
            case history
                set cmd $cmd history
                break
            case who
                set cmd $cmd who
                break
            case rooms
                set cmd $cmd rooms
                break
            case watch
                set cmd $cmd watch
                break
            case delete
                set cmd $cmd delete
                break
            case clear
                set cmd $cmd clear
                break
            case destroy
                set cmd $cmd destroy
                break
            case replay
                set cmd $cmd replay
                break
            case sub
                set cmd $cmd sub
                break
            case pub
                set cmd $cmd pub
                break
            case version
                set cmd $cmd version
                break
            case help
                set cmd $cmd help
                break
        end
    end
    echo "$cmd"
end

function __fish_moonpool_using_command
    test (__fish_moonpool_print_command) = "$argv"
    and return 0
    or return 1
end

function __fish_moonpool_seen_command
    string match -q "$argv*" (__fish_moonpool_print_command)
    and return 0
    or return 1
end

complete -c moonpool -n '__fish_moonpool_using_command' -xa 'run' -d 'Run bots and policies'
complete -c moonpool -n '__fish_moonpool_using_command' -xa 'ps' -d 'Tell what the scripts of the running host do'
complete -c moonpool -n '__fish_moonpool_using_command' -xa 'reload' -d 'Have the running host read its scripts again'
complete -c moonpool -n '__fish_moonpool_using_command' -xa 'revoke' -d 'Close a user\'s connections to the running host\'s gateway'
complete -c moonpool -n '__fish_moonpool_using_command' -xa 'explain' -d 'Tell what the policies of the running host would say'
complete -c moonpool -n '__fish_moonpool_using_command' -xa 'chat' -d 'Talk in a room'
complete -c moonpool -n '__fish_moonpool_using_command' -xa 'follow' -d 'Print what is said in a room; nothing is skipped silently'
complete -c moonpool -n '__fish_moonpool_using_command' -xa 'say' -d 'Say a text in a room, or standard input line by line'
complete -c moonpool -n '__fish_moonpool_using_command' -xa 'history' -d 'Print what has been said in a room'
complete -c moonpool -n '__fish_moonpool_using_command' -xa 'who' -d 'Print who is in a room'
complete -c moonpool -n '__fish_moonpool_using_command' -xa 'rooms' -d 'Print which rooms there are'
complete -c moonpool -n '__fish_moonpool_using_command' -xa 'watch' -d 'Print what is said in every room'
complete -c moonpool -n '__fish_moonpool_using_command' -xa 'delete' -d 'Delete messages from a room\'s history'
complete -c moonpool -n '__fish_moonpool_using_command' -xa 'clear' -d 'Empty a room\'s history'
complete -c moonpool -n '__fish_moonpool_using_command' -xa 'destroy' -d 'Remove a room with all that it has'
complete -c moonpool -n '__fish_moonpool_using_command' -xa 'replay' -d 'Play IRC logs into a room'
complete -c moonpool -n '__fish_moonpool_using_command' -xa 'sub' -d 'Print what is published on channels and patterns'
complete -c moonpool -n '__fish_moonpool_using_command' -xa 'pub' -d 'Publish a text, or standard input line by line'
complete -c moonpool -n '__fish_moonpool_using_command' -xa 'version' -d 'Print the versions of moonpool and of what it is built on'
complete -c moonpool -n '__fish_moonpool_using_command' -xa 'help' -d 'Print this, or the help of a command'
complete -c moonpool -s h -l help -d 'Show this help message and exit'
complete -c moonpool -l version -d 'Print moonpool\'s version and exit'

complete -c moonpool -n '__fish_moonpool_seen_command run' -s h -l help -d 'Show this help message and exit'
complete -c moonpool -n '__fish_moonpool_seen_command run' -l config -r -d 'Settings (default: ./moonpool.conf.lua, when no FILE is given and it is there)'
complete -c moonpool -n '__fish_moonpool_seen_command run' -l policy -r -d 'A policy: a script, a folder of them, or a name in the library'
complete -c moonpool -n '__fish_moonpool_seen_command run' -l name -r -d 'The host\'s, under which its bots\' positions are kept (default: main)'
complete -c moonpool -n '__fish_moonpool_seen_command run' -l log -xa 'text json' -d 'How log lines are written (default: text)'
complete -c moonpool -n '__fish_moonpool_seen_command run' -l control -r -d 'Where the host listens for commands (default: a socket of yours for this Redis)'
complete -c moonpool -n '__fish_moonpool_seen_command run' -l memory -r -d 'That a script may use (default: 16777216)'
complete -c moonpool -n '__fish_moonpool_seen_command run' -l budget -r -d 'Of CPU that a script may take for an event (default: 0.1)'
complete -c moonpool -n '__fish_moonpool_seen_command run' -l seed -r -d 'What the scripts\' random numbers begin with (default: by chance)'
complete -c moonpool -n '__fish_moonpool_seen_command run' -l listen -r -d 'Carry rooms to browsers at HOST:PORT or unix:PATH'
complete -c moonpool -n '__fish_moonpool_seen_command run' -l secret-file -r -d 'The secret of the gateway\'s tokens (HS256)'
complete -c moonpool -n '__fish_moonpool_seen_command run' -l workers -r -d 'Processes that carry rooms to browsers; one of them runs the bots (default: 1)'
complete -c moonpool -n '__fish_moonpool_seen_command run' -l tls-cert -r -d 'The gateway\'s certificate (PEM)'
complete -c moonpool -n '__fish_moonpool_seen_command run' -l tls-key -r -d 'Its key'
complete -c moonpool -n '__fish_moonpool_seen_command run' -l watch -d 'Load scripts anew when their files change'
complete -c moonpool -n '__fish_moonpool_seen_command run' -l check -d 'Load everything, tell what it is, and exit'
complete -c moonpool -n '__fish_moonpool_seen_command run' -s q -l quiet -d 'Say nothing about what runs, on standard error'
complete -c moonpool -n '__fish_moonpool_seen_command run' -l redis -r -d 'The Redis to use, such as redis://localhost:6379 or unix:///run/redis.sock (default: $REDIS_URL,
else a private redis-server)'

complete -c moonpool -n '__fish_moonpool_seen_command ps' -s h -l help -d 'Show this help message and exit'
complete -c moonpool -n '__fish_moonpool_seen_command ps' -l json -d 'One JSON object a line: the host first, its gateway in it, then each script'
complete -c moonpool -n '__fish_moonpool_seen_command ps' -l control -r -d 'Where the host listens (default: $MOONPOOL_CONTROL, else a socket of yours for this Redis)'
complete -c moonpool -n '__fish_moonpool_seen_command ps' -l host -r -d 'The host\'s name, when it has one of its own (moonpool run --name)'
complete -c moonpool -n '__fish_moonpool_seen_command ps' -l redis -r -d 'The Redis to use, such as redis://localhost:6379 or unix:///run/redis.sock (default: $REDIS_URL,
else a private redis-server)'

complete -c moonpool -n '__fish_moonpool_seen_command reload' -s h -l help -d 'Show this help message and exit'
complete -c moonpool -n '__fish_moonpool_seen_command reload' -l control -r -d 'Where the host listens (default: $MOONPOOL_CONTROL, else a socket of yours for this Redis)'
complete -c moonpool -n '__fish_moonpool_seen_command reload' -l host -r -d 'The host\'s name, when it has one of its own (moonpool run --name)'
complete -c moonpool -n '__fish_moonpool_seen_command reload' -l redis -r -d 'The Redis to use, such as redis://localhost:6379 or unix:///run/redis.sock (default: $REDIS_URL,
else a private redis-server)'

complete -c moonpool -n '__fish_moonpool_seen_command revoke' -s h -l help -d 'Show this help message and exit'
complete -c moonpool -n '__fish_moonpool_seen_command revoke' -l control -r -d 'Where the host listens (default: $MOONPOOL_CONTROL, else a socket of yours for this Redis)'
complete -c moonpool -n '__fish_moonpool_seen_command revoke' -l host -r -d 'The host\'s name, when it has one of its own (moonpool run --name)'
complete -c moonpool -n '__fish_moonpool_seen_command revoke' -l redis -r -d 'The Redis to use, such as redis://localhost:6379 or unix:///run/redis.sock (default: $REDIS_URL,
else a private redis-server)'

complete -c moonpool -n '__fish_moonpool_seen_command explain' -s h -l help -d 'Show this help message and exit'
complete -c moonpool -n '__fish_moonpool_seen_command explain' -l as -r -d 'Who would say it'
complete -c moonpool -n '__fish_moonpool_seen_command explain' -l action -d 'As an action: "* ann waves"'
complete -c moonpool -n '__fish_moonpool_seen_command explain' -l json -d 'One JSON object a line'
complete -c moonpool -n '__fish_moonpool_seen_command explain' -l control -r -d 'Where the host listens (default: $MOONPOOL_CONTROL, else a socket of yours for this Redis)'
complete -c moonpool -n '__fish_moonpool_seen_command explain' -l host -r -d 'The host\'s name, when it has one of its own (moonpool run --name)'
complete -c moonpool -n '__fish_moonpool_seen_command explain' -l redis -r -d 'The Redis to use, such as redis://localhost:6379 or unix:///run/redis.sock (default: $REDIS_URL,
else a private redis-server)'

complete -c moonpool -n '__fish_moonpool_seen_command chat' -s h -l help -d 'Show this help message and exit'
complete -c moonpool -n '__fish_moonpool_seen_command chat' -l as -r -d 'Who you are there'
complete -c moonpool -n '__fish_moonpool_seen_command chat' -l last -r -d 'How many earlier messages to print (default: 10)'
complete -c moonpool -n '__fish_moonpool_seen_command chat' -l control -r -d 'Where the host listens (default: $MOONPOOL_CONTROL, else a socket of yours for this Redis)'
complete -c moonpool -n '__fish_moonpool_seen_command chat' -l host -r -d 'The host\'s name, when it has one of its own (moonpool run --name)'
complete -c moonpool -n '__fish_moonpool_seen_command chat' -l redis -r -d 'The Redis to use, such as redis://localhost:6379 or unix:///run/redis.sock (default: $REDIS_URL,
else a private redis-server)'

complete -c moonpool -n '__fish_moonpool_seen_command follow' -s h -l help -d 'Show this help message and exit'
complete -c moonpool -n '__fish_moonpool_seen_command follow' -l last -r -d 'Begin with the last N messages'
complete -c moonpool -n '__fish_moonpool_seen_command follow' -l from -r -d 'Begin after the message with that id'
complete -c moonpool -n '__fish_moonpool_seen_command follow' -l since -r -d 'Begin with what was said then'
complete -c moonpool -n '__fish_moonpool_seen_command follow' -l json -d 'One JSON object a line'
complete -c moonpool -n '__fish_moonpool_seen_command follow' -s n -l count -r -d 'Exit after N messages'
complete -c moonpool -n '__fish_moonpool_seen_command follow' -l redis -r -d 'The Redis to use, such as redis://localhost:6379 or unix:///run/redis.sock (default: $REDIS_URL,
else a private redis-server)'

complete -c moonpool -n '__fish_moonpool_seen_command say' -s h -l help -d 'Show this help message and exit'
complete -c moonpool -n '__fish_moonpool_seen_command say' -l as -r -d 'Who says it'
complete -c moonpool -n '__fish_moonpool_seen_command say' -l key -r -d 'What makes the message the same one when it is said again'
complete -c moonpool -n '__fish_moonpool_seen_command say' -l durability -r -d 'memory (default), or replicas:N, which is to have it before it counts as said'
complete -c moonpool -n '__fish_moonpool_seen_command say' -l action -d 'As an action: "* ann waves"'
complete -c moonpool -n '__fish_moonpool_seen_command say' -l history -r -d 'How a new room keeps its history: stream (default), list or sorted'
complete -c moonpool -n '__fish_moonpool_seen_command say' -l keep -r -d 'How many messages a new room keeps; 0: all (default: 1000)'
complete -c moonpool -n '__fish_moonpool_seen_command say' -l keep-for -r -d 'How long a new room keeps them, such as 7d (default: for ever)'
complete -c moonpool -n '__fish_moonpool_seen_command say' -l control -r -d 'Where the host listens (default: $MOONPOOL_CONTROL, else a socket of yours for this Redis)'
complete -c moonpool -n '__fish_moonpool_seen_command say' -l host -r -d 'The host\'s name, when it has one of its own (moonpool run --name)'
complete -c moonpool -n '__fish_moonpool_seen_command say' -l redis -r -d 'The Redis to use, such as redis://localhost:6379 or unix:///run/redis.sock (default: $REDIS_URL,
else a private redis-server)'

complete -c moonpool -n '__fish_moonpool_seen_command history' -s h -l help -d 'Show this help message and exit'
complete -c moonpool -n '__fish_moonpool_seen_command history' -l since -r -d 'What was said then and later'
complete -c moonpool -n '__fish_moonpool_seen_command history' -l till -r -d 'What was said then and earlier'
complete -c moonpool -n '__fish_moonpool_seen_command history' -l after -r -d 'What comes after the message with that id'
complete -c moonpool -n '__fish_moonpool_seen_command history' -l before -r -d 'What comes before the message with that id'
complete -c moonpool -n '__fish_moonpool_seen_command history' -l last -r -d 'Of it, the newest N'
complete -c moonpool -n '__fish_moonpool_seen_command history' -l limit -r -d 'Of it, the oldest N'
complete -c moonpool -n '__fish_moonpool_seen_command history' -l all -d 'The whole history'
complete -c moonpool -n '__fish_moonpool_seen_command history' -l json -d 'One JSON object a line'
complete -c moonpool -n '__fish_moonpool_seen_command history' -l redis -r -d 'The Redis to use, such as redis://localhost:6379 or unix:///run/redis.sock (default: $REDIS_URL,
else a private redis-server)'

complete -c moonpool -n '__fish_moonpool_seen_command who' -s h -l help -d 'Show this help message and exit'
complete -c moonpool -n '__fish_moonpool_seen_command who' -l count -d 'Print how many are here, and no names'
complete -c moonpool -n '__fish_moonpool_seen_command who' -l json -d 'One JSON object a line'
complete -c moonpool -n '__fish_moonpool_seen_command who' -l redis -r -d 'The Redis to use, such as redis://localhost:6379 or unix:///run/redis.sock (default: $REDIS_URL,
else a private redis-server)'

complete -c moonpool -n '__fish_moonpool_seen_command rooms' -s h -l help -d 'Show this help message and exit'
complete -c moonpool -n '__fish_moonpool_seen_command rooms' -s l -l long -d 'Also how many messages and people, the kind of history, and when something was said last; separated by tabs'
complete -c moonpool -n '__fish_moonpool_seen_command rooms' -l json -d 'One JSON object a line'
complete -c moonpool -n '__fish_moonpool_seen_command rooms' -l redis -r -d 'The Redis to use, such as redis://localhost:6379 or unix:///run/redis.sock (default: $REDIS_URL,
else a private redis-server)'

complete -c moonpool -n '__fish_moonpool_seen_command watch' -s h -l help -d 'Show this help message and exit'
complete -c moonpool -n '__fish_moonpool_seen_command watch' -l rates -r -d 'Print every N seconds how much is said'
complete -c moonpool -n '__fish_moonpool_seen_command watch' -l json -d 'One JSON object a line'
complete -c moonpool -n '__fish_moonpool_seen_command watch' -s n -l count -r -d 'Exit after N messages'
complete -c moonpool -n '__fish_moonpool_seen_command watch' -l redis -r -d 'The Redis to use, such as redis://localhost:6379 or unix:///run/redis.sock (default: $REDIS_URL,
else a private redis-server)'

complete -c moonpool -n '__fish_moonpool_seen_command delete' -s h -l help -d 'Show this help message and exit'
complete -c moonpool -n '__fish_moonpool_seen_command delete' -l as -r -d 'Who does it, as those who follow are told (default: nobody)'
complete -c moonpool -n '__fish_moonpool_seen_command delete' -l redis -r -d 'The Redis to use, such as redis://localhost:6379 or unix:///run/redis.sock (default: $REDIS_URL,
else a private redis-server)'

complete -c moonpool -n '__fish_moonpool_seen_command clear' -s h -l help -d 'Show this help message and exit'
complete -c moonpool -n '__fish_moonpool_seen_command clear' -l as -r -d 'Who does it, as those who follow are told (default: nobody)'
complete -c moonpool -n '__fish_moonpool_seen_command clear' -s y -l yes -d 'Do it without asking'
complete -c moonpool -n '__fish_moonpool_seen_command clear' -l redis -r -d 'The Redis to use, such as redis://localhost:6379 or unix:///run/redis.sock (default: $REDIS_URL,
else a private redis-server)'

complete -c moonpool -n '__fish_moonpool_seen_command destroy' -s h -l help -d 'Show this help message and exit'
complete -c moonpool -n '__fish_moonpool_seen_command destroy' -s y -l yes -d 'Do it without asking'
complete -c moonpool -n '__fish_moonpool_seen_command destroy' -l redis -r -d 'The Redis to use, such as redis://localhost:6379 or unix:///run/redis.sock (default: $REDIS_URL,
else a private redis-server)'

complete -c moonpool -n '__fish_moonpool_seen_command replay' -s h -l help -d 'Show this help message and exit'
complete -c moonpool -n '__fish_moonpool_seen_command replay' -l room -r -d 'The room (default: ubuntu)'
complete -c moonpool -n '__fish_moonpool_seen_command replay' -l speed -r -d 'N times as fast as the log\'s own times, or max (default: max)'
complete -c moonpool -n '__fish_moonpool_seen_command replay' -l history -r -d 'How a new room keeps its history: stream (default), list or sorted'
complete -c moonpool -n '__fish_moonpool_seen_command replay' -l keep -r -d 'How many messages a new room keeps; 0: all (default: 1000)'
complete -c moonpool -n '__fish_moonpool_seen_command replay' -l keep-for -r -d 'How long a new room keeps them, such as 7d (default: for ever)'
complete -c moonpool -n '__fish_moonpool_seen_command replay' -l through -r -d 'A bot, or a folder of them, to be told of it'
complete -c moonpool -n '__fish_moonpool_seen_command replay' -l policy -r -d 'A policy that judges it: a script, a folder of them, or a name in the library'
complete -c moonpool -n '__fish_moonpool_seen_command replay' -l config -r -d 'A configuration whose bots and policies take part'
complete -c moonpool -n '__fish_moonpool_seen_command replay' -l seed -r -d 'What the scripts\' random numbers begin with (default: 1)'
complete -c moonpool -n '__fish_moonpool_seen_command replay' -l verdicts -d 'Print what policies reject and rewrite, too'
complete -c moonpool -n '__fish_moonpool_seen_command replay' -l json -d 'Print the summary as one JSON object'
complete -c moonpool -n '__fish_moonpool_seen_command replay' -l redis -r -d 'The Redis to use, such as redis://localhost:6379 or unix:///run/redis.sock (default: $REDIS_URL,
else a private redis-server)'

complete -c moonpool -n '__fish_moonpool_seen_command sub' -s h -l help -d 'Show this help message and exit'
complete -c moonpool -n '__fish_moonpool_seen_command sub' -s p -l pattern -r -d 'Also subscribe to what matches P, such as \'room:*\''
complete -c moonpool -n '__fish_moonpool_seen_command sub' -l json -d 'One JSON object a line, other events too'
complete -c moonpool -n '__fish_moonpool_seen_command sub' -s n -l count -r -d 'Exit after N messages'
complete -c moonpool -n '__fish_moonpool_seen_command sub' -l redis -r -d 'The Redis to use, such as redis://localhost:6379 or unix:///run/redis.sock (default: $REDIS_URL,
else a private redis-server)'

complete -c moonpool -n '__fish_moonpool_seen_command pub' -s h -l help -d 'Show this help message and exit'
complete -c moonpool -n '__fish_moonpool_seen_command pub' -l redis -r -d 'The Redis to use, such as redis://localhost:6379 or unix:///run/redis.sock (default: $REDIS_URL,
else a private redis-server)'

complete -c moonpool -n '__fish_moonpool_seen_command version' -s h -l help -d 'Show this help message and exit'
complete -c moonpool -n '__fish_moonpool_seen_command version' -l json -d 'As one JSON object'

complete -c moonpool -n '__fish_moonpool_seen_command help' -s h -l help -d 'Show this help message and exit'
