# scripts/completion/heaptap.bash - bash completion for heaptap; also read by zsh (see _heaptap beside it).
#
# Commands and options are asked from heaptap itself, so they are those of the installed version.

# Words that may come next.  $1 is the program, the rest the words up to and with the one being typed.
_heaptap_words() {
	local program=$1 command=${2-} current=${!#} all
	if [ $# -le 2 ]; then
		"$program" help 2>/dev/null | sed -nE 's/^  ([a-z]+) .*/\1/p'
		echo --version
		return
	fi
	case $current in
	-sample_index=* | --sample_index=*)
		printf -- "${current%%=*}=%s\n" inuse_space inuse_objects alloc_space alloc_objects
		;;
	-*)
		all=$("$program" help "$command" 2>/dev/null | sed -nE 's/^ .{5}(--[A-Za-z][A-Za-z0-9_-]*).*/\1/p')
		[ "$command" != help ] || all=
		case $current in
		--*) ;;
		*) all=$(sed 's/^--/-/' <<<"$all") ;;
		esac
		echo "$all"
		;;
	*)
		[ "$command" != help ] || "$program" help 2>/dev/null | sed -nE 's/^  ([a-z]+) .*/\1/p'
		;;
	esac
}

_heaptap() {
	local words=("${COMP_WORDS[@]:0:COMP_CWORD+1}") current=${COMP_WORDS[COMP_CWORD]} i
	COMPREPLY=()
	# The program of `heaptap run` and its arguments are completed as if they stood alone.
	if [ "${words[1]-}" = run ]; then
		for ((i = 2; i < COMP_CWORD; i++)); do
			case ${words[i]} in
			--)
				_heaptap_program $((i + 1))
				return
				;;
			-r | -i | -o | --rate | --interval | --output) i=$((i + 1)) ;;
			-*) ;;
			*)
				_heaptap_program "$i"
				return
				;;
			esac
		done
		if [[ $current != -* && ${words[COMP_CWORD - 1]} != -[rio] ]]; then
			_heaptap_program "$COMP_CWORD"
			return
		fi
	fi
	# bash splits at "=": put the option back together.
	if [ "${words[COMP_CWORD - 1]-}" = = ]; then
		current="${words[COMP_CWORD - 2]}=$current"
	elif [ "$current" = = ]; then
		current="${words[COMP_CWORD - 1]}="
	fi
	mapfile -t COMPREPLY < <(compgen -W "$(_heaptap_words "${words[@]:0:COMP_CWORD}" "$current")" -- "$current")
	if [[ $current == *=* ]]; then
		COMPREPLY=("${COMPREPLY[@]#*=}")
		current=${current#*=}
	fi
	if [ ${#COMPREPLY[@]} -eq 0 ] && [ "$COMP_CWORD" -gt 1 ]; then
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
	fi
}

_heaptap_program() { # INDEX of its word
	if declare -F _command_offset >/dev/null; then
		_command_offset "$1"
	elif [ "$1" -eq "$COMP_CWORD" ]; then
		mapfile -t COMPREPLY < <(compgen -c -- "${COMP_WORDS[COMP_CWORD]}")
	else
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
	fi
}

complete -F _heaptap heaptap
