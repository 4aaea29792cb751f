# PowerShell completion for genie. Load it with:  genie completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName genie -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $line = $commandAst.ToString().PadRight($cursorPosition).Substring(0, $cursorPosition)
    genie __complete --line $line 2>$null | Where-Object { -not $_.StartsWith(':') } | ForEach-Object {
        $value, $help = $_ -split "`t", 2
        $shown = if ($help) { $help } else { $value }
        [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $shown)
    }
}
